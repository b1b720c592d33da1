"""What ``modelops model why`` and ``modelops feedback where`` print: pages for people, and everything as JSON."""

from typing import Any

import pytest

from tests.fakes.lineage_world import (
    NOW,
    insert,
    origin,
    request,
    serve,
    write_feedback,
    write_gate,
    write_set,
    write_version,
)
from tests.support.command_line import modelops
from tests.support.project import Project

PIECES = 12


@pytest.fixture
def feedback(fresh: Project) -> list[str]:
    """Return pieces of feedback that all count in the set of version 2, which is live."""
    stores, spec = fresh.stores, fresh.spec
    requests = [request(stores, spec, number) for number in range(PIECES)]
    ids = write_feedback(stores, spec, requests)
    said: dict[str, Any] = {"key_id": "key 1", "known_at": NOW, "author": "ann"}
    rows = [
        origin(one.prediction_id(0), place, "feedback", source_id=ids[place], **said)
        for place, one in enumerate(requests)
    ]
    write_set(stores, spec, "a" * 64, rows)
    write_version(stores, spec, "1", None)
    write_version(stores, spec, "2", "a" * 64, trained_here=True)
    check = {"guard": "share", "passed": False, "blocking": True, "message": "one key sent 100 %", "at": NOW}
    insert(stores, "set_checks", endpoint="cancer", content_hash="a" * 64, numbers={"share": 1.0}, **check)
    write_gate(stores, spec, "2", None)
    serve(stores, spec, "2", "bob")
    return ids


def test_why_is_a_page_of_sections(fresh: Project, feedback: list[str]) -> None:
    shown = modelops(fresh, "model", "why", "cancer", "2").out
    titles = [line for line in shown.splitlines() if line and not line.startswith(" ")]
    assert [
        "VERSION 2 OF tumours",
        "DATA",
        "FEEDBACK",
        "CHECKS ON THE SET",
        "TRAINING",
        "STARTED BY",
        "GATE",
        "TRIALS",
        "PEOPLE",
        "HISTORY",
    ] == titles
    for said in (
        "champion of cancer (100 %)",
        "a" * 64,
        "inference_log at version 7",
        "feedback 12",
        "12 piece(s) count as a row's label",
        "and 2 more: --all-feedback",
        "one key sent 100 %",
        "lower 0.05",
        "failed: nothing is trained on the set",
        "none: no retraining led to it: 'modelops train' trained it, by hand",
        "deploy of it",
    ):
        assert said in shown


def test_why_lists_every_id_when_asked_and_in_json(fresh: Project, feedback: list[str]) -> None:
    shown = modelops(fresh, "model", "why", "cancer", "2", "--all-feedback").out
    assert [] == [one for one in feedback if one not in shown]
    found = modelops(fresh, "model", "why", "cancer", "2", "--json").json
    assert (sorted(feedback), None) == (found["feedback"]["ids"], found["feedback"]["next_cursor"])
    assert {"share": 1.0} == found["checks"][0]["numbers"]


def test_why_of_a_version_registered_elsewhere_says_what_is_not_known(fresh: Project, feedback: list[str]) -> None:
    shown = modelops(fresh, "model", "why", "cancer", "1").out
    assert "none: the version was registered elsewhere, or by an older release" in shown


def test_why_of_an_unknown_version_says_where_the_versions_are(fresh: Project, feedback: list[str]) -> None:
    done = modelops(fresh, "model", "why", "cancer", "9")
    assert (3, "") == (done.code, done.out)
    assert (
        "No version '9' of model 'tumours' is recorded here. See the versions: modelops model list cancer" in done.err
    )


def test_where_follows_feedback_to_what_is_live(fresh: Project, feedback: list[str]) -> None:
    pytest.importorskip("modelops_pipelines.cli.commands.improve.feedback")  # the group that the command is in
    shown = modelops(fresh, "feedback", "where", "cancer", feedback[3]).out
    for said in (
        "kept (not deleted)",
        "1 of 1 training set(s) below",
        "TRAINING SETS",
        "aaaaaaaaaaaa",
        "VERSIONS",
        "deploy",
        "champion of cancer (100 %)",
    ):
        assert said in shown
    found = modelops(fresh, "feedback", "where", "cancer", feedback[3], "--json").json
    assert [("a" * 64, 3)] == [(one["content_hash"], one["position"]) for one in found["sets"]]
    assert ["2"] == [one["version"] for one in found["versions"]]
