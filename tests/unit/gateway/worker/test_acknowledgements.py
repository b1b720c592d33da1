"""What a worker acknowledges is sent again until it stands, whatever became of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from modelops_pipelines.gateway.worker.acknowledgements import Acknowledgements
from modelops_pipelines.store.stores import Stores
from tests.support.project import make_project

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Found = dict[str, tuple[int, str | None]]


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return make_project(tmp_path / "project").stores


def run(stores: Stores, statement: str) -> None:
    with stores.database.begin() as connected:
        connected.execute(sa.text(statement))


def fail_inserts(stores: Stores) -> Callable[[], None]:
    run(stores, "CREATE TRIGGER full BEFORE INSERT ON acknowledgements BEGIN SELECT RAISE(ABORT, 'no'); END")
    return lambda: run(stores, "DROP TRIGGER full")


def test_one_that_failed_is_sent_again(stores: Stores) -> None:
    acknowledgements = Acknowledgements(stores, "w")
    acknowledgements.send("a", 1, None)
    mend = fail_inserts(stores)
    acknowledgements.send("a", 2, None)
    acknowledgements.send("b", 7, "it does not load")
    acknowledgements.resend()
    assert {"a": (1, None)} == stores.deployments.acknowledged("w")
    mend()
    acknowledgements.resend()
    assert {"a": (2, None), "b": (7, "it does not load")} == stores.deployments.acknowledged("w")


@pytest.mark.parametrize(
    "loss", ["DELETE FROM acknowledgements", "UPDATE acknowledgements SET generation = 1, error = 'old'"]
)
def test_one_that_was_lost_or_is_of_a_backup_is_sent_again(stores: Stores, loss: str) -> None:
    acknowledgements = Acknowledgements(stores, "w")
    acknowledgements.send("a", 2, None)
    run(stores, loss)
    acknowledgements.resend()
    assert {"a": (2, None)} == stores.deployments.acknowledged("w")


def test_what_is_forgotten_is_not_sent_again_before_it_is_acknowledged_anew(stores: Stores) -> None:
    acknowledgements = Acknowledgements(stores, "w")
    acknowledgements.send("a", 1, None)
    run(stores, "DELETE FROM acknowledgements")
    acknowledgements.forget("a")
    acknowledgements.resend()
    assert {} == stores.deployments.acknowledged("w")
    acknowledgements.send("a", 1, None)
    assert {"a": (1, None)} == stores.deployments.acknowledged("w")


def test_what_stands_is_not_written_again(stores: Stores) -> None:
    acknowledgements = Acknowledgements(stores, "w")
    acknowledgements.send("a", 2, None)
    fail_inserts(stores)
    acknowledgements.resend()
    assert {"a": (2, None)} == stores.deployments.acknowledged("w")
