"""Feedback by commands: list, show, stats, flag, unflag, assign, accept, delete."""

from datetime import UTC, datetime, timedelta

import pytest

from modelops_pipelines.core.capture.spool_records import Feedback
from tests.fakes.said import said, write_log, write_said
from tests.support.command_line import modelops, refused
from tests.support.project import Project

NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)
GIVEN = (
    Feedback(rating=1, comment="late\x1b[31m again and again and again and again", corrected_label="0"),
    Feedback(thumbs="up", categories=("speed",)),
    Feedback(rating=4),
)


@pytest.fixture
def numbers(fresh: Project) -> list[str]:
    records = write_log(fresh.stores, len(GIVEN))
    rows = [said(records[n], 0, NOON + timedelta(minutes=n), one) for n, one in enumerate(GIVEN)]
    write_said(fresh.stores, rows)
    return [row["feedback_id"] for row in rows]


def test_feedback_is_listed_in_pages_and_filtered(fresh: Project, numbers: list[str]) -> None:
    first = modelops(fresh, "feedback", "list", "cancer", "--limit", "2", "--json").json
    assert numbers[:0:-1] == [row["feedback_id"] for row in first["feedback"]]
    rest = modelops(fresh, "feedback", "list", "cancer", "--cursor", first["next"], "--json").json
    assert (numbers[:1], None) == ([row["feedback_id"] for row in rest["feedback"]], rest["next"])
    shown = modelops(fresh, "feedback", "list", "cancer", "--text", "LATE", "--since", "2026-03-09")
    assert (True, False, True) == (numbers[0] in shown.out, "\x1b" in shown.out, "again a..." in shown.out)
    assert "--cursor" in modelops(fresh, "feedback", "list", "cancer", "--limit", "1").err
    assert "There is no such feedback." in modelops(fresh, "feedback", "list", "cancer", "--flagged").err


def test_feedback_is_worked_off_and_its_history_is_shown(fresh: Project, numbers: list[str]) -> None:
    flagged = modelops(fresh, "feedback", "flag", "cancer", *numbers[:2], "--note", "see this", "--json").json
    assert [True, True] == [row["flagged"] for row in flagged]
    assert "is assigned to bob." in modelops(fresh, "feedback", "assign", "cancer", numbers[0], "--to", "bob").out
    assert "is assigned to nobody." in modelops(fresh, "feedback", "assign", "cancer", numbers[0], "--to", "").out
    assert f"{numbers[1]} is not flagged." in modelops(fresh, "feedback", "unflag", "cancer", numbers[1]).out
    accepted = modelops(fresh, "feedback", "accept", "cancer", *numbers[:2]).out
    assert ("with the label 0." in accepted, "with the label 1." in accepted) == (True, True)
    again = modelops(fresh, "feedback", "accept", "cancer", numbers[0], "--json").json
    assert (False, "0") == (again[0]["accepted_now"], again[0]["label"])
    shown = modelops(fresh, "feedback", "show", "cancer", numbers[0]).out
    for part in ("History", "see this", "assigned", "accepted", "cli:"):
        assert part in shown
    history = modelops(fresh, "feedback", "show", "cancer", numbers[0], "--json").json["history"]
    assert ["flagged", "assigned", "assigned", "accepted"] == [event["action"] for event in history]


def test_feedback_is_counted(fresh: Project, numbers: list[str]) -> None:
    counted = modelops(fresh, "feedback", "stats", "cancer", "--json").json
    assert (3, 2.5, 1, 1) == tuple(counted[name] for name in ("feedback", "average_rating", "thumbs_up", "corrections"))
    assert [("1", 2), ("2", 1)] == [(one["version"], one["feedback"]) for one in counted["by_version"]]
    shown = modelops(fresh, "feedback", "stats", "cancer", "--rating-from", "2").out
    assert "average_rating  4" in shown


def test_deleted_feedback_is_gone_and_said_to_be(fresh: Project, numbers: list[str]) -> None:
    assert f"Feedback {numbers[0]} is deleted." in modelops(fresh, "feedback", "delete", "cancer", numbers[0]).out
    assert "was already deleted." in modelops(fresh, "feedback", "delete", "cancer", numbers[0]).out
    refused(modelops(fresh, "feedback", "show", "cancer", numbers[0]), "was deleted at")
    listed = modelops(fresh, "feedback", "list", "cancer", "--json").json["feedback"]
    assert numbers[:0:-1] == [row["feedback_id"] for row in listed]


def test_what_cannot_be_is_refused_with_a_remedy(fresh: Project, numbers: list[str]) -> None:
    for way in (["show"], ["flag"], ["unflag"], ["assign", "--to", "bob"], ["accept"], ["delete"]):
        refused(modelops(fresh, "feedback", way[0], "cancer", "nothing", *way[1:]), "has no feedback 'nothing'")
    refused(modelops(fresh, "feedback", "accept", "cancer", numbers[2]), "names no true label")
    several = modelops(fresh, "feedback", "accept", "cancer", numbers[2], "nothing")
    assert (3, f"Not accepted: {numbers[2]}, nothing.") == (several.code, several.err.splitlines()[0])
    refused(modelops(fresh, "feedback", "list", "cancer", "--cursor", "x"), "'x' is not a cursor")
    refused(modelops(fresh, "feedback", "list", "nobody"), "There is no endpoint 'nobody'")
