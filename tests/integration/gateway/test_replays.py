"""Requests tried again on both versions: what is shared, what takes too long, and who waits."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.gateway.worker.replays import WAITING_MOST, Replay, Replays
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Rows
from modelops_pipelines.operations.model_runtime.prediction_paths import PredictionPath
from tests.fakes.records import VERSION

SPEC = EndpointSpec(name="e", model_name="m", task="regression", label="y")
ROWS = Rows({"x": [1.0]}, 1)
SECONDS = 20.0


def model(number: str, predict: Callable[[Any], Any]) -> Model:
    """Return a loaded version that predicts so."""
    return Model(replace(VERSION, version=number), PredictionPath(predict, "mlflow", None, None), SPEC)


def answering(_: Any) -> Any:
    return np.array([1.0])


def failing(_: Any) -> Any:
    raise ValueError("broken")


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (failing, answering, Replay(other_failed=False, own_failed=True)),
        (failing, failing, Replay(other_failed=True, own_failed=True)),
        (answering, failing, Replay(other_failed=True, own_failed=False)),
        (answering, answering, Replay(other_failed=False, own_failed=False)),
    ],
)
def test_a_failed_request_is_tried_on_both_versions(own: Any, other: Any, expected: Replay) -> None:
    for _ in range(4):  # in either order
        assert expected == asyncio.run(Replays().compare(model("2", own), model("1", other), ROWS, SECONDS))


def test_a_version_that_hangs_has_failed_at_the_deadline_and_the_event_loop_goes_on() -> None:
    release = threading.Event()

    async def compare() -> tuple[Replay, int]:
        replays, turns = Replays(), 0
        hanging = model("1", lambda _: release.wait(SECONDS) and answering(_))
        comparing = asyncio.create_task(replays.compare(None, hanging, ROWS, 0.2))
        while not comparing.done():
            turns += 1
            await asyncio.sleep(0.01)
        release.set()
        return comparing.result(), turns

    found, turns = asyncio.run(compare())
    assert Replay(other_failed=True, own_failed=None) == found
    assert found.pair is None
    assert turns > 1


def test_of_a_flood_of_failures_only_so_many_wait_and_the_others_count_for_nobody() -> None:
    async def flood() -> list[Replay]:
        replays, tries = Replays(), 5 * WAITING_MOST
        both = model("2", failing), model("1", answering)
        return list(await asyncio.gather(*(replays.compare(*both, ROWS, SECONDS) for _ in range(tries))))

    found = asyncio.run(flood())
    tried = [one for one in found if one.pair is not None]
    assert WAITING_MOST == len(tried)
    assert {Replay(other_failed=True, own_failed=None)} == {one for one in found if one.pair is None}


def test_an_answered_request_is_timed_on_both_versions_but_not_every_one() -> None:
    async def time_two() -> list[tuple[float, float]]:
        replays, done = Replays(), asyncio.Event()
        found: list[tuple[float, float]] = []

        def report(mine: float, theirs: float) -> None:
            found.append((mine, theirs))
            done.set()

        for _ in range(2):
            replays.time_later(model("2", answering), model("1", answering), ROWS, SECONDS, report)
        await asyncio.wait_for(done.wait(), SECONDS)
        return found

    [(mine, theirs)] = asyncio.run(time_two())
    assert min(mine, theirs) > 0
