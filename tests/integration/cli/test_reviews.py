"""modelops review, as a user runs it."""

import pytest

from modelops_pipelines.core.endpoints.improvement import ReviewPolicy
from tests.support.command_line import modelops, refused
from tests.support.project import Project
from tests.worlds.reviewed import make_reviewed


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    policy = ReviewPolicy(("random", "costly"), per_day=3, random=4, shared=0.0)
    return make_reviewed(tmp_path_factory.mktemp("reviews") / "project", policy)[0]


def test_the_queue_is_filled_worked_off_and_summed_up(project: Project) -> None:
    empty = modelops(project, "review", "list", "cancer")
    assert (0, "", True) == (empty.code, empty.out, "modelops review fill cancer" in empty.err)
    assert {"random": 8, "costly": 2} == modelops(project, "review", "fill", "cancer", "--json").json["added"]
    page = modelops(project, "review", "list", "cancer", "--reason", "random", "--limit", "3", "--json").json
    first, second, third = (str(one["id"]) for one in page["items"])
    assert page["next"] is not None
    confirmed = modelops(project, "review", "confirm", "cancer", first)
    assert (0, f"Item {first} of cancer is done.\n") == (confirmed.code, confirmed.out)
    corrected = modelops(project, "review", "correct", "cancer", second, "0", "--note", "a scan", "--json").json
    assert ("done", int(second)) == (corrected["status"], corrected["id"])
    assert 0 == modelops(project, "review", "reject", "cancer", third).code
    shown = modelops(project, "review", "show", "cancer", second, "--json").json
    assert [("correct", "0", "a scan")] == [(one["verdict"], one["label"], one["note"]) for one in shown["given"]]
    labels = "SELECT label, author LIKE 'cli:%' AS by_cli FROM labels WHERE source = 'review' ORDER BY label"
    assert [{"label": "0", "by_cli": True}, {"label": "1", "by_cli": True}] == modelops(
        project, "sql", labels, "--endpoint", "cancer", "--json"
    ).json
    found = modelops(project, "review", "agreement", "cancer", "--json").json
    assert (2, 8) == (found["quality"]["judged"], found["quality"]["drawn"])
    assert 0 == modelops(project, "review", "agreement", "cancer").code
    assert "open again" in modelops(project, "review", "reopen", "cancer", second, "--note", "wrong scan").out


def test_a_filling_is_told_by_reason_without_contradiction(project: Project) -> None:
    modelops(project, "review", "fill", "cancer")
    again = modelops(project, "review", "fill", "cancer")
    days, *reasons = again.out.splitlines()
    assert days.startswith("Looked at the predictions of ")
    assert [
        f"{reason}: none added (what there is stands in the queue already)" for reason in ("random", "costly")
    ] == reasons


def test_items_are_taken_and_freed(project: Project) -> None:
    modelops(project, "review", "fill", "cancer")
    number = str(modelops(project, "review", "list", "cancer", "--json").json["items"][-1]["id"])
    taken = modelops(project, "review", "assign", "cancer", number, "--to", "bob")
    assert f"Item {number} of cancer is assigned to bob.\n" == taken.out
    refused(modelops(project, "review", "assign", "cancer", number), "is assigned to 'bob'")
    assert 2 == modelops(project, "review", "assign", "cancer", number, "--to", "x", "--nobody").code
    assert 0 == modelops(project, "review", "assign", "cancer", number, "--nobody").code


def test_what_is_not_there_is_said_with_the_remedy(project: Project, fresh: Project) -> None:
    refused(modelops(project, "review", "confirm", "cancer", "999"), "has no item 999")
    refused(modelops(project, "review", "list", "cancer", "--cursor", "x"), "The cursor is none")
    refused(modelops(fresh, "review", "fill", "cancer"), "has no reasons to review predictions")
