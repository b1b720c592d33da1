"""Origins have one order, and are sorted only where they are not in it."""

from datetime import UTC, datetime, timedelta
from random import Random

import pyarrow as pa
import pytest

from modelops_pipelines.operations.improve.training.origins import SCHEMA, in_order, numbered
from modelops_pipelines.store.lake.writer import conform

START = datetime(2026, 3, 1, tzinfo=UTC)
SORTED = [(name, "ascending") for name in ("position", "event_time", "row_id")]


def origins(seed: int) -> pa.Table:
    """Return origins whose usable rows are first, both parts in order of time and id; times repeat, or are missing."""
    chance = Random(seed)
    known = [START + timedelta(hours=chance.randrange(6)) for _ in range(chance.randrange(12))]
    times: list[datetime | None] = [*sorted(known), *[None] * chance.randrange(3)]
    usable = chance.randrange(len(times) + 1)
    reasons = [None] * usable + ["evaluation day"] * (len(times) - usable)
    named = {"row_id": [f"id{place:02}" for place in range(len(times))], "event_time": times, "reason": reasons}
    return conform(pa.table(named, pa.schema([SCHEMA.field(name) for name in named])), SCHEMA)


@pytest.mark.parametrize("seed", range(40))
def test_origins_are_in_the_same_order_in_whatever_order_they_come(seed: int) -> None:
    made, chance = numbered(origins(seed)), Random(seed)
    assert made.equals(made.sort_by(SORTED))
    mixed = pa.array(chance.sample(range(len(made)), len(made)), pa.int64())
    assert made.equals(in_order(made.take(mixed)))
    halves = pa.concat_tables([made.slice(0, len(made) // 2), made.slice(len(made) // 2)])
    assert made.equals(in_order(halves))


@pytest.mark.parametrize("swapped", [(0, 1), (1, 2), (3, 4), (4, 5)])
def test_a_single_pair_out_of_order_is_put_in_order(swapped: tuple[int, int]) -> None:
    named = {
        "row_id": [f"id{place}" for place in range(6)],
        "position": [0, 1, 2, None, None, None],
        "event_time": [START, START, START, START, START, START + timedelta(hours=1)],
        "reason": [None] * 3 + ["evaluation day"] * 3,
    }
    made = conform(pa.table(named, pa.schema([SCHEMA.field(name) for name in named])), SCHEMA)
    places = list(range(6))
    first, second = swapped
    places[first], places[second] = places[second], places[first]
    assert made.equals(in_order(made.take(places)))
    assert made.equals(in_order(made))
