"""The commands of a release, in one process: what they print, and what they leave behind."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import click.testing
import pytest
import sqlalchemy as sa

from modelops_pipelines.cli.main import cli
from modelops_pipelines.core.errors import ConflictError, EvidenceError, InputError
from tests.support.command_line import enter_project
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, train_first

ROWS = (569, 400, 300)
FORCED = ("--force", "--reason", "a test")
Command = Callable[..., str]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a project with three registered versions."""
    made = make_project(tmp_path_factory.mktemp("cli"), f"{CANCER_YAML}  promotion: {{strategy: canary}}\n")
    for rows in ROWS:
        train_first(made, cancer_frame().head(rows))
    yield made
    made.stores.database.close()


@pytest.fixture
def command(project: Project, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return how to run a command on the project; its own errors are raised."""
    enter_project(project, monkeypatch)

    def run(*arguments: str) -> str:
        done = click.testing.CliRunner().invoke(cli, arguments)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def output_of(command: Command, *arguments: str) -> Any:
    return json.loads(command(*arguments, "--json"))


def test_a_release_from_its_dry_run_to_its_deletion(command: Command) -> None:
    assert "would deploy nothing -> 1" in command("deploy", "cancer", "1", "--dry-run")
    assert [] == output_of(command, "history", "cancer")
    first = output_of(command, "deploy", "cancer", "1", "--key", "first", "--reason", "go")
    assert (True, "cancer/first") == (first["changed"], first["deployment_id"])
    assert not output_of(command, "deploy", "cancer", "1", "--key", "first")["changed"]
    between = datetime.now(UTC).isoformat()
    assert output_of(command, "promote", "cancer", "2", "--force", "--reason", "try it")["share"] == 5
    then = output_of(command, "history", "cancer", "--at", between)
    assert ("active", [{"version": "1", "role": "champion", "share": 100}]) == (then["status"], then["variants"])
    assert "challenger" in command("history", "cancer", "--at", datetime.now(UTC).isoformat())
    assert "" == command("history", "cancer", "--at", "2020-01-01")
    assert "2 -> 1" in command("rollback", "cancer", "--dry-run") or "1 -> 1" in command(
        "rollback", "cancer", "--dry-run"
    )
    assert output_of(command, "rollback", "cancer", "--reason", "no")["to_version"] == "1"

    page = output_of(command, "deployments", "cancer", "--limit", "2")
    assert ["rollback", "promote"] == [one["action"] for one in page["items"]]
    rest = output_of(command, "deployments", "cancer", "--cursor", page["next_cursor"])
    assert (["deploy"], None) == ([one["action"] for one in rest["items"]], rest["next_cursor"])
    assert "stopped" in command("deployments", "cancer", "--status", "stopped")

    assert output_of(command, "endpoint", "stop", "cancer", "--reason", "upstream")["action"] == "stop"
    assert "cancer was stopped" in command("history", "cancer", "--at", datetime.now(UTC).isoformat())
    assert ["stopped"] == [one["status"] for one in output_of(command, "endpoint", "list")]
    assert output_of(command, "endpoint", "start", "cancer")["changed"]
    assert "would delete" in command("endpoint", "delete", "cancer", "--dry-run")
    assert output_of(command, "endpoint", "delete", "cancer")["action"] == "delete"
    assert ["deploy", "promote", "rollback", "stop", "start", "delete"] == [
        event["action"] for event in output_of(command, "history", "cancer")
    ]


def test_a_model_s_versions_are_listed_archived_and_restored(command: Command) -> None:
    command("deploy", "cancer", "1")
    assert "version 3 of tumours is archived\n" == command("model", "archive", "cancer", "3", "--reason", "old")
    assert "version 3 of tumours was already archived\n" == command("model", "archive", "cancer", "3")
    with pytest.raises(ConflictError, match="is archived"):
        command("deploy", "cancer", "3", *FORCED)
    page = output_of(command, "model", "list", "cancer", "--limit", "2")
    assert [("3", "archived"), ("2", "staging")] == [(one["version"], one["stage"]) for one in page["items"]] or [
        ("3", "archived"),
        ("2", "development"),
    ] == [(one["version"], one["stage"]) for one in page["items"]]
    assert ["1"] == [
        one["version"] for one in output_of(command, "model", "list", "cancer", "--stage", "production")["items"]
    ]
    assert "version 3 of tumours is restored\n" == command("model", "restore", "cancer", "3")
    assert "version 3 of tumours was not archived\n" == command("model", "restore", "cancer", "3")
    with pytest.raises(InputError, match="is not a cursor of this list"):
        command("model", "list", "cancer", "--cursor", "made up")


def test_an_ab_test_from_its_start_to_its_end(command: Command) -> None:
    command("deploy", "cancer", "1")
    assert "50 % of the traffic" in command("ab", "start", "cancer", "2", "--name", "bolder", "--reason", "is it?")
    assert ["bolder"] == [one["experiment_id"] for one in output_of(command, "ab", "list", "cancer")]
    shown = output_of(command, "ab", "show", "cancer")
    assert ("bolder", "undecided", None) == (shown["experiment_id"], shown["verdict"], shown["ended_at"])
    with pytest.raises(EvidenceError, match="undecided"):
        command("ab", "end", "cancer", "promote")
    assert output_of(command, "ab", "end", "cancer", "keep")["to_version"] == "1"
    assert "keep" == output_of(command, "ab", "show", "cancer", "--name", "bolder")["decision"]
    assert [] == output_of(command, "trials", "cancer")


def test_doctor_finds_a_history_that_was_cut_off(command: Command, project: Project) -> None:
    command("deploy", "cancer", "2", *FORCED)
    command("deploy", "cancer", "1", *FORCED)
    whole = project.stores.deployments.sealed_events()
    found = {one["check"]: one for one in json.loads(_doctor())}
    assert (True, f"{len(whole)} event(s), all hashes are valid") == (found["history"]["ok"], found["history"]["found"])
    with project.stores.database.begin() as connected:
        connected.execute(sa.text("DELETE FROM events WHERE number = :last"), {"last": len(whole)})
    found = {one["check"]: one for one in json.loads(_doctor())}
    assert not found["history"]["ok"]
    assert f"fails its hash check from event {len(whole)} on" in found["history"]["found"]


def _doctor() -> str:
    return click.testing.CliRunner().invoke(cli, ["doctor", "--json"]).stdout


def test_wrong_usage_says_what_is_right(command: Command, project: Project) -> None:
    for arguments, said in (
        (("ab", "end", "cancer", "promote", "--force"), "--force requires --reason"),
        (("deploy", "cancer", "2", "--force", "--reason", " "), "--force requires --reason"),
        (("promote", "cancer", "2", "--force"), "--force requires --reason"),
        (("rollback", "cancer", "--undo"), "--undo requires --reason"),
        (("history", "cancer", "--at", "yesterday"), "'yesterday' is not a time"),
        (("history", "cancer", "--at", "9999-12-31T23:59:59-12:00"), "is after 2261"),
        (("deploy", "cancer", "1", "--share", "0"), "0 is not in the range"),
        (("deployments", "--status", "fine"), "'fine' is not one of"),
    ):
        done = click.testing.CliRunner().invoke(cli, arguments)
        assert (2, True) == (done.exit_code, said in done.output), done.output
    assert project.stores.deployments.unsettled("nowhere") == []
