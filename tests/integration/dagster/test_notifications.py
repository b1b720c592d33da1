"""Dagster's sensor delivers messages while no gateway does, and keeps no secret."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from modelops_pipelines.operations.alerting.delivery.deliver import LEASE
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.notifications import notifications_sensor
from modelops_pipelines.store.stores import Stores
from tests.support.receiver import Receiver, receiving
from tests.support.telling import SECRET, project, tell, untold

FILE = 'channels:\n  night: {webhook: "file:url", secret: env:NIGHT_SECRET, allow_private: true}\n'
PLANTED = "PlantedSecret"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def stores(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Stores:
    monkeypatch.setenv("NIGHT_SECRET", SECRET)
    (tmp_path / "url").write_text(f"{receiver.url}/{PLANTED}")
    return project(tmp_path, FILE)


def tick(stores: Stores, instance: dg.DagsterInstance) -> str:
    """Evaluate the sensor once; return why it started no run."""
    context = dg.build_sensor_context(
        instance=instance, resources={"modelops_project": ProjectResource(folder=str(stores.settings.home.parent))}
    )
    skipped = notifications_sensor()(context)
    assert isinstance(skipped, dg.SkipReason)
    return str(skipped.skip_message)


def test_it_delivers_while_no_gateway_does(stores: Stores, receiver: Receiver, tmp_path: Path) -> None:
    tell(stores, "flights", "opened", ["night"], datetime.now(UTC) - timedelta(seconds=5))
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        assert "no gateway delivers, so this did; 0 message(s)" in tick(stores, instance)
        assert 0 == untold(stores)
        receiver.answer = 500
        tell(stores, "flights", "resolved", ["night"], datetime.now(UTC) - timedelta(seconds=5))
        assert "no gateway delivers" in tick(stores, instance)
    kept = [file.read_bytes() for file in (tmp_path / "dagster").rglob("*") if file.is_file()]
    assert [] == [content for content in kept if PLANTED.encode() in content or SECRET[6:].encode() in content]


def test_it_leaves_the_work_to_a_gateway_that_delivers(stores: Stores, receiver: Receiver) -> None:
    now = datetime.now(UTC)
    tell(stores, "flights", "opened", ["night"], now - timedelta(seconds=5))
    assert stores.leases.take(LEASE, "elsewhere:1:1", now, 30)
    with dg.DagsterInstance.ephemeral() as instance:
        assert "another process delivers: the gateway, or an earlier tick" == tick(stores, instance)
    assert [] == receiver.received
