"""Labels over HTTP that name their prediction by the caller's own id, or by entity and time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.labels.match_keyed import match_keyed
from modelops_pipelines.operations.improve.labels.source_counts import counts_of, unmatched
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.imported_labels import label_now
from tests.support.project import Project, copied_project
from tests.worlds.dagster_project import wait_for_segments

ROW = {"mean_radius": 14.0, "mean_texture": 20.0, "mean_smoothness": 0.1, "mean_concavity": 0.1}
KEYS = "Send one of: prediction_id, client_request_id (with row), entity (with at)"


@pytest.fixture(scope="module")
def running(
    served_world: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, RunningGateway]]:
    project = copied_project(served_world[0], tmp_path_factory.mktemp("keyed") / "project")
    with running_gateway(project) as gateway:
        yield project, gateway


def say(gateway: RunningGateway, *labels: dict[str, Any]) -> Any:
    return gateway.client.post("/endpoints/cancer/labels", json={"labels": list(labels)})


def read(project: Project) -> dict[str, str]:
    wait_for_segments(project)
    for stream in ("predictions", "labels"):
        ingest(project.stores, project.spec, stream)
    match_keyed(project.stores, project.spec)
    return label_now(project)


def test_an_acknowledged_label_finds_its_prediction_later_and_unmatched_ones_are_kept(
    running: tuple[Project, RunningGateway],
) -> None:
    project, gateway = running
    soon = (datetime.now(UTC) + timedelta(minutes=3)).isoformat()
    flight = {"entity": {"mean_radius": 19.25, "user_id": "ann"}, "at": soon, "label": 0}
    sent = say(
        gateway,
        {"client_request_id": "call 7", "row": 1, "label": 1},
        {"client_request_id": "call 8", "label": 1},
        flight,
    )
    assert (202, 3) == (sent.status_code, sent.json()["accepted"])
    first = gateway.predict([ROW, ROW], **{"X-Client-Request-Id": "call 7"}).json()["request_id"]
    second = gateway.predict([ROW | {"mean_radius": 19.25}], **{"X-User-Id": "ann"}).json()["request_id"]
    third = gateway.predict([ROW]).json()["request_id"]
    by_id = {"prediction_id": f"{third}-0", "label": 1}
    assert 202 == say(gateway, by_id, {"client_request_id": "call 7", "row": 0, "label": 0}).status_code
    found = read(project)
    expected = {f"{first}-1": "1", f"{first}-0": "0", f"{second}-0": "0", f"{third}-0": "1"}
    assert expected == {name: found.get(name) for name in expected}
    counts = counts_of(project.stores, project.spec)["gateway"]
    assert (3, 1) == (counts.matched, counts.waiting)
    assert ["call 8"] == [one["client_request_id"] for one in unmatched(project.stores, project.spec, 10)]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ({"label": 1}, "A label has 0 keys, and needs one"),
        ({"label": 1, "client_request_id": "a", "prediction_id": "b"}, "A label has 2 keys, and needs one"),
        ({"label": 1, "entity": {"mean_radius": 1.0}}, "'entity' and 'at' belong together"),
        ({"label": 1, "prediction_id": "b", "row": 1}, "'row' belongs to client_request_id"),
        ({"label": 1, "client_request_id": "a", "within_seconds": 5}, "'within_seconds' belongs to 'entity'"),
    ],
)
def test_a_label_with_no_key_two_keys_or_half_a_key_is_refused(
    running: tuple[Project, RunningGateway], label: dict[str, Any], message: str
) -> None:
    error = say(running[1], {"client_request_id": "good", "label": 1}, label)
    assert 422 == error.status_code
    assert {"message": message, "remedy": KEYS} == {name: error.json()["error"][name] for name in ("message", "remedy")}


def test_an_entity_of_a_column_that_the_log_does_not_have_is_refused(running: tuple[Project, RunningGateway]) -> None:
    error = say(running[1], {"entity": {"wings": 2}, "at": "2026-01-01T00:00:00Z", "label": 1})
    assert (422, "The log keeps no column wings") == (error.status_code, error.json()["error"]["message"])
