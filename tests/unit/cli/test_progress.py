"""What a person who waits for a long command is told."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from modelops_pipelines.cli.progress import Steps, told_steps

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_step_that_lasts_is_told_with_its_beginning_and_again_with_how_long_it_lasts() -> None:
    said: list[str] = []
    times = [NOON]
    steps = Steps(said.append, lambda: times[-1])

    def at(seconds: float) -> None:
        times.append(NOON + timedelta(seconds=seconds))
        steps.tick()

    at(0)
    assert said == []
    steps.begin("building the set")
    for seconds in (0.5, 1, 1.5, 30.5, 31, 31.5, 61):
        at(seconds)
    steps.begin("finding the rows")  # done at once
    at(61.5)
    steps.begin("training")
    for seconds in (62, 62.5, 63):
        at(seconds)
    assert [
        "building the set, since 12:00:00 UTC",
        "building the set, since 12:00:00 UTC, 31 s ago",
        "building the set, since 12:00:00 UTC, 61 s ago",
        "training, since 12:01:01 UTC",
    ] == said


def interrupted() -> None:
    with told_steps() as tell:
        tell("training")
        raise KeyboardInterrupt


def test_what_ends_the_command_ends_the_telling() -> None:
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert before == threading.active_count()
