"""The newest rows have a fault when both halves show it and together they prove it; steady worlds have none."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from modelops_pipelines.core.drift.sudden.normal_values import Normal, digest_of, normal_of_training
from modelops_pipelines.core.drift.sudden.sudden_faults import (
    ROWS,
    ROWS_OF_REQUEST,
    Row,
    effective_callers,
    faults_of,
    has_enough_callers,
    suspects,
    taken_rows,
)
from modelops_pipelines.core.profiles.profile import fit_profile

CITIES = ("Oslo", "Rome", "Kyiv", "Lima")
PRICES = Normal("numeric", least=1.0, most=100.0, missing=0.05, constant=0.1)
PLACES = Normal("categorical", known=frozenset(map(digest_of, CITIES)), rare=0.01, missing=0.0)
NORMALS = {"price": PRICES, "place": PLACES}
Change = Callable[[dict[str, Any]], dict[str, Any]]


def world(rows: int, seed: int = 1, change: Change = dict, since: int = 0) -> list[Row]:
    """Return rows of as many callers, changed from one on."""
    chance = Random(seed)
    made = []
    for number in range(rows):
        features = {
            "price": None if chance.random() < 0.04 else chance.uniform(2, 90),
            "place": "Bonn" if chance.random() < 0.01 else chance.choice(CITIES),
        }
        made.append(Row(f"caller {number}", change(features) if number >= since else features))
    return made


def cents(features: dict[str, Any]) -> dict[str, Any]:
    return features | {"price": features["price"] and features["price"] * 1000}


def flipped(features: dict[str, Any]) -> dict[str, Any]:
    return features | {"price": features["price"] and -features["price"]}


def gone(features: dict[str, Any]) -> dict[str, Any]:
    return features | {"price": None}


def dead(features: dict[str, Any]) -> dict[str, Any]:
    return features | {"price": 50.0}


def renamed(features: dict[str, Any]) -> dict[str, Any]:
    return features | {"place": features["place"].upper()}


@pytest.mark.parametrize(
    ("change", "column", "channel", "words"),
    [
        (cents, "price", "range", "price: 100% of the newest values are far from those of the days before (median now"),
        (flipped, "price", "range", "price: 100% of the newest values are far from"),
        (gone, "price", "missing", "price: 100% of the newest values are missing, usually 5%"),
        (dead, "price", "constant", "price: 100% of the newest values are equal, usually at most 10%"),
        (renamed, "place", "category", "place: 100% of the newest values have unknown categories"),
    ],
)
def test_a_gross_fault_is_found_once_it_fills_the_newest_rows(
    change: Change, column: str, channel: str, words: str
) -> None:
    assert [] == faults_of(world(ROWS, change=change, since=ROWS), NORMALS)
    assert [] == faults_of(world(ROWS - 1, change=change), NORMALS)
    [fault] = faults_of(world(ROWS, change=change), NORMALS)
    assert (column, channel) == (fault.column, fault.channel)
    assert fault.words.startswith(words)


@pytest.mark.parametrize("change", [cents, flipped, gone, dead, renamed])
def test_a_fault_in_one_half_alone_is_none_and_is_suspected(change: Change) -> None:
    rows = world(ROWS, change=change, since=ROWS - ROWS // 3)
    assert [] == faults_of(rows, NORMALS)


def test_what_is_abnormal_beyond_its_limit_is_suspected_before_it_is_proven() -> None:
    rows = world(ROWS, change=gone, since=ROWS // 2)
    assert {("price", "missing")} == suspects(rows, NORMALS)
    assert set() == suspects(world(ROWS), NORMALS)


def test_one_request_with_many_rows_is_at_most_a_sixth_of_the_newest_rows() -> None:
    assert [0] == list(taken_rows(1))
    assert list(range(11)) == list(taken_rows(11))
    for count in (12, 100, 10_000):
        assert len(taken_rows(count)) <= ROWS_OF_REQUEST == ROWS // 6
        assert max(taken_rows(count)) >= count * 0.8


def test_a_fault_takes_several_callers_where_there_are_several_as_a_rule() -> None:
    one = [Row("one", {})] * ROWS
    assert 1.0 == effective_callers(one)
    assert has_enough_callers(1.0, [])
    assert has_enough_callers(1.0, [1.0] * 50)
    assert not has_enough_callers(1.0, [20.0] * 50)
    assert has_enough_callers(effective_callers(world(ROWS)), [20.0] * 50)


def test_a_training_set_says_less_of_what_is_normal_than_days_do() -> None:
    normal = normal_of_training(fit_profile("price", [float(n) for n in range(1, 101)], "numeric"))
    assert (0.0, 397.0, 1.0, True) == (normal.least, normal.most, normal.constant, normal.trained)
    signed = normal_of_training(fit_profile("t", [-10.0, 30.0], "numeric"))
    assert (-130.0, 150.0) == (signed.least, signed.most)
    constant = normal_of_training(fit_profile("month", [1.0] * 50, "numeric"))
    assert (None, None) == (constant.least, constant.most)
    names = normal_of_training(fit_profile("id", [f"id {n}" for n in range(300)], "categorical"))
    assert names.known is None
    assert Normal.from_dict(normal.to_dict()) == normal
    assert Normal.from_dict(PLACES.to_dict()) == PLACES


def test_a_column_that_is_always_missing_or_that_nothing_is_known_of_is_no_fault() -> None:
    empty = {"price": Normal("numeric", missing=1.0), "place": Normal("text")}
    assert [] == faults_of(world(ROWS, change=gone), empty)
    assert [] == faults_of(world(ROWS), {})


@pytest.mark.parametrize("seed", range(5))
def test_a_steady_world_raises_nothing_in_an_hour_at_ten_rows_a_second(seed: int) -> None:
    rows = world(36_000, seed)
    looks = range(ROWS, len(rows), 40)
    assert [] == [fault for end in looks for fault in faults_of(rows[end - ROWS : end], NORMALS)]
