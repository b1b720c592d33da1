"""The checklist over HTTP, by the command and by the client: the same items, on a gateway that serves."""

from collections.abc import Iterator
from typing import Any

import pytest

from modelops_pipelines import Client
from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.operations.alerting.delivery.watchers import DAGSTER, Watcher
from modelops_pipelines.operations.alerting.life.act_on_alerts import resolve
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.governance.api_keys import create_key
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.state.improve.gates import Gate
from tests.support.command_line import modelops, refused
from tests.support.gateway import RunningGateway, running_gateway, wait_for_keys
from tests.support.project import Project, cancer_frame, copied_project, rows_of
from tests.support.waiting import wait_until

ROUTE = "/endpoints/cancer/checklist"
VARYING = {"monitoring", "disk", "memory", "capture", "log", "requests", "errors", "latency"}
"""Items whose evidence has what the machine, the clock or the spool say at that moment."""
ALERTING = "channels:\n  ops: {webhook: env:OPS_URL, secret: env:OPS_SECRET}\nroutes:\n  - channels: [ops]\n"


@pytest.fixture(scope="module")
def served(
    served_world: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, RunningGateway]]:
    """Return a project whose version 2 has passed the gate and replaced version 1 while its gateway runs."""
    project = copied_project(served_world[0], tmp_path_factory.mktemp("checklist") / "project")
    stores, spec = project.stores, project.spec
    with running_gateway(project) as gateway:
        for alert in stores.alerts.unresolved("cancer"):
            resolve(stores, alert.id or 0, "test", "a test")
        stores.settings.alerting_file.write_text(ALERTING)
        Watcher(DAGSTER).turn(stores, stores.now())
        numbers = {"reason": "better"}
        stores.gates.record(Gate("cancer", "2", "1", "rows", spec.gate.hash, "pass", numbers, stores.now()))
        deploy(stores, spec, "2", actor="ann", reason="better")
        assert gateway.predict(rows_of(cancer_frame())[:2]).status_code == 200
        wait_until(lambda: list(stores.settings.spool.rglob("*.jsonl")), 20)
        ingest(stores, spec, "predictions")
        yield project, gateway
    stores.database.close()


def shown(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items without evidence that varies."""
    return [{**item, "evidence": "" if item["name"] in VARYING else item["evidence"]} for item in items]


def test_route_command_and_client_give_the_same_items(served: tuple[Project, RunningGateway]) -> None:
    project, gateway = served
    answer = gateway.client.get(ROUTE)
    assert 200 == answer.status_code
    by_route = answer.json()
    by_command = modelops(project, "checklist", "cancer", "--json").json
    assert shown(by_route["items"]) == shown(by_command["items"])
    assert ("2", "champion") == (by_route["version"], by_route["role"])
    assert {"before", "during", "after"} == {item["phase"] for item in by_route["items"]}
    with Client(str(gateway.client.base_url)) as client:
        found = client.checklist("cancer")
    records = [item.records()[0] for item in found.items]
    assert shown(by_route["items"]) == shown(records)
    counts = {"passed": found.passed, "failed": found.failed, "unknown": found.unknown}
    assert {state: by_command[state] for state in counts} == counts
    assert len(records) == sum(counts.values())


def test_a_deployment_of_which_nothing_failed_ends_with_0(served: tuple[Project, RunningGateway]) -> None:
    project, _ = served
    Watcher(DAGSTER).turn(project.stores, project.stores.now())
    done = modelops(project, "checklist", "cancer")
    assert " 0 failed" in done.out.splitlines()[0], done.out
    assert 0 == done.code
    assert done.out.startswith("cancer: version 2, champion since ")
    assert "\nbefore the deployment\n" in done.out
    assert "\n  passed   rollback version " in done.out
    assert "see: modelops model tests cancer\n" in done.out


def test_a_version_that_failed_an_item_ends_with_3_and_says_where_to_look(
    served: tuple[Project, RunningGateway],
) -> None:
    project, gateway = served
    done = modelops(project, "checklist", "cancer", "--version", "1")
    assert 3 == done.code
    assert "failed   gate " in done.out
    [line] = [line for line in done.out.splitlines() if "the gate does not let version 1 replace" in line]
    assert done.out.splitlines()[done.out.splitlines().index(line) + 1].strip() == "see: modelops model why cancer 1"
    by_route = gateway.client.get(ROUTE, params={"version": "1"}).json()
    assert ("1", None, None) == (by_route["version"], by_route["role"], by_route["since"])
    assert by_route["failed"] >= 1


def test_an_unknown_version_and_one_that_cannot_be_are_refused(served: tuple[Project, RunningGateway]) -> None:
    project, gateway = served
    assert 404 == gateway.client.get(ROUTE, params={"version": "9"}).status_code
    assert 422 == gateway.client.get(ROUTE, params={"version": "1; drop"}).status_code
    refused(modelops(project, "checklist", "cancer", "--version", "9"), "has no version '9'")
    refused(modelops(project, "checklist", "elsewhere"), "There is no endpoint 'elsewhere'")


def test_the_checklist_needs_the_role_read(served: tuple[Project, RunningGateway]) -> None:
    project, gateway = served
    made = create_key(project.stores, grant("caller", ["predict"]), actor="test")
    reader = create_key(project.stores, grant("reader", ["read"]), actor="test")
    wait_for_keys(gateway, made.text, reader.text)
    assert 403 == gateway.client.get(ROUTE, headers={"X-API-Key": made.text}).status_code
    assert 200 == gateway.client.get(ROUTE, headers={"X-API-Key": reader.text}).status_code
