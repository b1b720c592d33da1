"""MLflow's aliases against what is live: told, reported, adopted through the gate; versions and deployments in pages."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import mlflow
import pytest

from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, EvidenceError, InputError
from modelops_pipelines.core.evaluation.gate import FAIL, PASS
from modelops_pipelines.core.release.alias_status import alias_status
from modelops_pipelines.core.release.desired_state import variants_of
from modelops_pipelines.core.release.guards import Verdict as GuardVerdict
from modelops_pipelines.operations.improve.evaluation.evaluate import evaluate
from modelops_pipelines.operations.release.alias_sync import reconcile
from modelops_pipelines.operations.release.commands import archive, deploy, roll_back, sync_registry
from modelops_pipelines.operations.release.listing import deployments_page, versions_page
from modelops_pipelines.operations.release.trials.withdraw import withdraw_version
from modelops_pipelines.store.registry.client import STAGE_TAG
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.stores import Stores
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, train_first

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WHO: dict[str, Any] = {"actor": "ann", "reason": "a test"}
ROWS = (569, 400, 300)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a project with three registered versions, shared by the tests here."""
    made = make_project(tmp_path_factory.mktemp("reconciling"))
    for rows in ROWS:
        train_first(made, cancer_frame().head(rows))
    yield made
    made.stores.database.close()


@pytest.fixture
def project(trained: Project) -> Project:
    """Return it with version 1 live, and MLflow told so."""
    deploy(trained.stores, trained.spec, "1", **WHO, force=True)
    sync_registry(trained.stores, trained.spec)
    for number in range(2):
        reconcile(trained.stores, trained.spec, f"before {number} {time.monotonic()}", evaluate)
    return trained


@pytest.fixture
def client(project: Project) -> mlflow.MlflowClient:
    uri = project.stores.settings.registry_uri
    return mlflow.MlflowClient(uri, uri)


def look(project: Project, aliases: str = "report", verdict: str | None = None) -> tuple[str, str]:
    """Reconcile; an evaluation gives this verdict, and is refused when None is given."""

    def evaluate(stores: Stores, spec: EndpointSpec, version: str) -> Gate:
        if verdict is None:
            raise EvidenceError("There are no evaluation rows", "Send labels")
        champion = stores.deployments.desired(spec.name).champion
        numbers = {"reason": "its numbers"}
        judged = Gate(spec.name, version, champion, "rows", spec.gate.hash, verdict, numbers, stores.now())
        stores.gates.record(judged)
        return judged

    spec = replace(project.spec, promotion=replace(project.spec.promotion, aliases=aliases))  # type: ignore[arg-type]
    found = reconcile(project.stores, spec, f"look {time.monotonic()}", evaluate)
    return found.action, found.message


def aliases(client: mlflow.MlflowClient) -> dict[str, str]:
    return {alias: str(version) for alias, version in client.get_registered_model("tumours").aliases.items()}


def opened(project: Project) -> list[str]:
    return [alert.message for alert in project.stores.alerts.find("cancer", OPEN) if alert.rule == "registry"]


def test_what_a_rollback_by_cli_left_behind_is_told_the_registry(project: Project, client: mlflow.MlflowClient) -> None:
    deploy(project.stores, project.spec, "2", **WHO, force=True)
    assert ("updated", "the aliases were updated to what is live") == look(project)
    roll_back(project.stores, project.spec, **WHO)
    assert aliases(client)["champion"] == "2"
    assert "updated" == look(project)[0]
    assert aliases(client) == {"champion": "1"}
    assert ("in step", "the aliases point to what is live") == look(project)
    tags = [client.get_model_version("tumours", version).tags[STAGE_TAG] for version in "13"]
    assert ["production", "development"] == tags


def test_an_alias_moved_by_hand_is_reported_until_it_is_put_right(
    project: Project, client: mlflow.MlflowClient
) -> None:
    client.set_registered_model_alias("tumours", "champion", "3")
    command = "to promote it: modelops evaluate cancer 3, then modelops promote cancer 3"
    said = f"alias 'champion' points to 3, but 1 is live; {command}"
    assert ("reported", said) == look(project)
    assert [f"MLflow: {said}"] == opened(project)
    assert variants_of("1") == project.stores.deployments.desired("cancer").variants
    assert "3" == aliases(client)["champion"]
    client.set_registered_model_alias("tumours", "champion", "1")
    assert ["in step", "in step"] == [look(project)[0] for _ in range(2)]
    assert [] == opened(project)


def test_an_alias_moved_by_hand_is_adopted_only_through_the_gate(project: Project, client: mlflow.MlflowClient) -> None:
    client.set_registered_model_alias("tumours", "champion", "3")
    action, message = look(project, "adopt")
    assert "reported" == action
    assert "moved to version 3 in MLflow; this was refused: There are no evaluation rows. Send labels" in message
    action, message = look(project, "adopt", FAIL)
    assert "reported" == action
    assert "this was refused: The gate refuses version 3 of 'cancer'" in message
    assert "is 'fail' (its numbers)" in look(project, "adopt", PASS)[1], "a verdict that counts now is not made again"
    assert variants_of("1") == project.stores.deployments.desired("cancer").variants
    outdated = Gate("cancer", "3", "1", "old rows", project.spec.gate.hash, PASS, {"reason": "better"}, NOW)
    project.stores.gates.record(outdated)
    assert "adopted" == look(project, "adopt", PASS)[0]
    assert variants_of("3") == project.stores.deployments.desired("cancer").variants
    event = project.stores.deployments.events("cancer")[-1]
    assert ("reconciler", "promote", False) == (event.actor, event.action, event.evidence["forced"])
    assert ["in step"] * 2 == [look(project, "adopt")[0] for _ in range(2)]
    assert [] == opened(project)


def test_an_alias_moved_back_to_an_earlier_champion_rolls_back_or_names_the_command(
    project: Project, client: mlflow.MlflowClient
) -> None:
    deploy(project.stores, project.spec, "2", **WHO, force=True)
    sync_registry(project.stores, project.spec)
    client.set_registered_model_alias("tumours", "champion", "1")
    said = "alias 'champion' points to 1, but 2 is live; to return to it: modelops rollback cancer --to 1 --reason TEXT"
    assert ("reported", said) == look(project)
    assert "adopted" == look(project, "adopt")[0]
    event = project.stores.deployments.events("cancer")[-1]
    assert ("reconciler", "rollback", "1") == (event.actor, event.action, event.to_version)
    assert [] == [event for event in project.stores.gates.of("cancer") if event.version == "1"]
    client.set_registered_model_alias("tumours", "champion", "2")
    said = "alias 'champion' points to 2, but 1 is live; to return to it: modelops rollback cancer --undo --reason TEXT"
    assert ("reported", said) == look(project)
    assert "adopted" == look(project, "adopt")[0]
    event = project.stores.deployments.events("cancer")[-1]
    assert ("reconciler", "undo", "2") == (event.actor, event.action, event.to_version)
    assert ["in step"] * 2 == [look(project)[0] for _ in range(2)]
    assert [] == opened(project)


def test_an_alias_moved_back_to_what_a_guard_rolled_back_is_reported_with_its_numbers(
    project: Project, client: mlflow.MlflowClient
) -> None:
    deploy(project.stores, project.spec, "2", **WHO, force=True)
    state = project.stores.deployments.desired("cancer")
    failed = GuardVerdict("fail", "errors", "2 % more errors", {"excess": 0.02})
    withdraw_version(project.stores, project.spec, state, "2", failed, actor="watchdog")
    sync_registry(project.stores, project.spec)
    client.set_registered_model_alias("tumours", "champion", "2")
    action, message = look(project, "adopt", PASS)
    assert ("reported", True) == (action, '"excess": 0.02' in message)
    assert "modelops rollback cancer --undo --force --reason TEXT" in message
    assert variants_of("1") == project.stores.deployments.desired("cancer").variants


def test_endpoints_that_share_a_model_have_aliases_of_their_own(project: Project, client: mlflow.MlflowClient) -> None:
    other = project.folder / "endpoints" / "other.yaml"
    other.write_text(CANCER_YAML.replace("name: cancer", "name: other"))
    try:
        sync_registry(project.stores, project.spec)
        assert "1" == aliases(client)["champion-cancer"]
        with pytest.raises(ConflictError, match="champion of endpoint 'cancer'"):
            archive(project.stores, replace(project.spec, name="other"), "1", **WHO)
    finally:
        other.unlink()
        client.delete_registered_model_alias("tumours", "champion-cancer")


def test_who_moved_an_alias_is_told_by_what_the_registry_was_told_last() -> None:
    assert "in step" == alias_status("champion", "1", {}, "1")
    assert "behind" == alias_status("champion", "2", {"champion": "1"}, "1")
    assert "moved" == alias_status("champion", "2", {"champion": "1"}, "3")
    assert "moved" == alias_status("champion", None, {}, "3")
    assert "behind" == alias_status("challenger", "2", {"challenger": None}, None)


def test_versions_are_told_page_by_page_newest_first_with_their_stages(project: Project) -> None:
    told, cursor = [], None
    while True:
        page = versions_page(project.stores, project.spec, None, cursor, 1)
        told += [(item["version"], item["stage"]) for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert ["3", "2", "1"] == [version for version, _ in told]
    assert "production" == dict(told)["1"]
    only = versions_page(project.stores, project.spec, "production", None, 10)
    assert (["1"], None) == ([item["version"] for item in only.items], only.next_cursor)


@pytest.mark.usefixtures("untried_versions")
def test_no_deployment_is_skipped_or_told_twice_while_others_are_written(project: Project) -> None:
    before = {one.deployment_id for one in project.stores.deployments.attempts(limit=1000)}
    stopped = threading.Event()

    def write() -> None:
        while not stopped.is_set():
            for version in ("2", "1"):
                deploy(project.stores, project.spec, version, **WHO, force=True)

    for version in ("2", "1") * 10:
        deploy(project.stores, project.spec, version, **WHO, force=True)
    there = {one.deployment_id for one in project.stores.deployments.attempts(limit=1000)}
    thread = threading.Thread(target=write)
    thread.start()
    told: list[str] = []
    cursor = None
    while True:
        page = deployments_page(project.stores, None, None, cursor, 3)
        told += [item["deployment_id"] for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    stopped.set()
    thread.join()
    assert len(told) == len(set(told))
    assert before <= there <= set(told)
    assert set(told) - there == set() or len(told) > len(there)


def test_deployments_are_told_by_status_and_endpoint(project: Project) -> None:
    deploy(project.stores, project.spec, "2", **WHO, force=True)
    page = deployments_page(project.stores, ["cancer"], "deploying", None, 10)
    assert [("2", "deploy", "ann")] == [(one["version"], one["action"], one["actor"]) for one in page.items]
    assert ([], None) == (deployments_page(project.stores, ["other"], None, None, 10).items, None)


@pytest.mark.parametrize("cursor", ["x", "", "e30", "WzFd", "bm90anNvbg", "é"])
def test_a_cursor_that_was_never_given_out_is_refused(project: Project, cursor: str) -> None:
    with pytest.raises(InputError, match="is not a cursor of this list"):
        deployments_page(project.stores, None, None, cursor, 10)


def test_a_moment_before_everything_is_an_empty_page(project: Project) -> None:
    oldest = project.stores.deployments.attempts(limit=1000)[-1]
    micros = (oldest.requested_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert [] == project.stores.deployments.attempts(before=(micros, oldest.deployment_id))
