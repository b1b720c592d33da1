"""Kept answers against a naive model; what requests are equal, and that a kept answer is the answer to the bit."""

import tracemalloc
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.endpoints.cache import CachePolicy
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.gateway.bodies.model_rows import in_types
from modelops_pipelines.gateway.model_runtime.prediction_cache import (
    ENTRY_BYTES,
    PredictionCache,
    content_hash,
    kept_form,
    outcome_of,
)
from modelops_pipelines.operations.model_runtime.answers import render_answer
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Outcome, Rows
from modelops_pipelines.operations.model_runtime.prediction_paths import ABSENT
from tests.fakes.records import VERSION

MIB = 1024 * 1024
SECONDS = 10
SPEC = EndpointSpec("e", "m", "regression", "y")
ANSWER = Outcome([[0.25, 0.75]], ["1"], [0.75])
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FLOATS | st.text(max_size=4)
OUTPUTS = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**64 - 1), FLOATS, st.text(max_size=8),
    st.lists(FLOATS, min_size=1, max_size=3), st.dictionaries(st.text(max_size=4), FLOATS, min_size=1, max_size=3),
)  # fmt: skip


def policy(entries: int = 100, seconds: int = SECONDS, mib: int = 8) -> CachePolicy:
    return CachePolicy(timedelta(seconds=seconds), entries, mib)


def answer(number: int, size: int = 1) -> Outcome:
    return Outcome([float(number)] * size, [float(number)] * size, None)


def found(cache: PredictionCache, number: int, now: float) -> Outcome | None:
    kept = cache.find(str(number).encode(), now)
    return None if kept is None else outcome_of(kept)


STEPS = st.lists(
    st.tuples(st.sampled_from(["find", "keep"]), st.integers(0, 6), st.integers(0, 5), st.integers(1, 3)), max_size=60
)


@given(STEPS, st.integers(1, 4))
def test_it_holds_what_a_naive_model_holds(steps: list[tuple[str, int, int, int]], entries: int) -> None:
    cache, now = PredictionCache(policy(entries)), 0.0
    kept: list[tuple[int, Outcome, float]] = []  # what was used last stands last
    for what, number, passed, size in steps:
        now += passed
        known = next((one for one in kept if one[0] == number), None)
        if what == "find":
            expected = known[1] if known is not None and now < known[2] else None
            assert expected == found(cache, number, now)
            kept = [one for one in kept if one[0] != number]
            kept += [known] if known is not None and expected is not None else []
        else:
            cache.keep(str(number).encode(), answer(number, size), now)
            kept = [one for one in kept if one[0] != number]
            kept = [*kept, (number, answer(number, size), now + SECONDS)][-entries:]
        assert len(kept) == len(cache) <= entries
        assert sum(len(kept_form(one)) + ENTRY_BYTES for _, one, _ in kept) == cache.bytes


def test_an_answer_is_kept_until_its_time_is_over_however_often_it_is_used() -> None:
    cache = PredictionCache(policy())
    cache.keep(b"a", ANSWER, 100.0)
    assert [cache.find(b"a", 100.0 + passed) is not None for passed in (0, 5, 9.99, 10, 5)] == [True] * 3 + [False] * 2
    assert (0, 0) == (len(cache), cache.bytes)


def test_the_answer_that_was_not_used_for_longest_leaves_first() -> None:
    cache = PredictionCache(policy(entries=2))
    for number in (1, 2):
        cache.keep(str(number).encode(), answer(number), 0.0)
    assert answer(1) == found(cache, 1, 1.0)
    cache.keep(b"3", answer(3), 1.0)
    assert [answer(1), None, answer(3)] == [found(cache, number, 2.0) for number in (1, 2, 3)]


def test_answers_take_no_more_memory_than_allowed_and_one_that_is_larger_displaces_none() -> None:
    cache = PredictionCache(policy(entries=100_000, mib=1))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(5000):
            cache.keep(content_hash("1", Rows({"x": [float(number)]}, 1)), answer(number, 1 + number % 20), 0.0)
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert used <= cache.bytes <= MIB
    assert 500 < len(cache) < 5000
    held = len(cache)
    cache.keep(b"large", answer(7, MIB // 4), 0.0)
    assert (held, None) == (len(cache), cache.find(b"large", 0.0))


def test_a_large_answer_displaces_as_many_as_it_needs_room() -> None:
    cache = PredictionCache(policy(entries=100_000, mib=1))
    for number in range(100):
        cache.keep(str(number).encode(), answer(number, 1000), 0.0)
    large = answer(7, 90_000)
    cache.keep(b"large", large, 0.0)
    assert kept_form(large) == cache.find(b"large", 0.0)
    assert 1 < len(cache) < 100
    assert MIB // 2 < cache.bytes <= MIB


def test_an_answer_with_rows_that_are_unanswered_is_not_kept() -> None:
    cache = PredictionCache(policy())
    cache.keep(b"a", Outcome([1.0, None], [1.0, None], None, (1,)), 0.0)
    assert cache.find(b"a", 0.0) is None


@given(st.lists(OUTPUTS, min_size=1, max_size=4), st.data())
def test_a_kept_answer_is_the_answer_to_the_bit(output: list[Any], data: st.DataObject) -> None:
    rows = len(output)
    predictions = data.draw(st.lists(st.none() | FLOATS | st.text(max_size=4), min_size=rows, max_size=rows))
    scores = data.draw(st.none() | st.lists(FLOATS, min_size=rows, max_size=rows))
    outcome = Outcome(output, predictions, scores)
    again = outcome_of(kept_form(outcome))
    assert repr(outcome) == repr(again)  # 1, 1.0 and True are equal, and -0.0 is 0.0
    said: dict[str, Any] = {"endpoint": "e", "version": "1", "variant": "champion", "request_id": "r", "client": None}
    assert render_answer(output, **said, infer=False) == render_answer(again.output, **said, infer=False)
    if not any(isinstance(row, list | dict) for row in output):
        assert render_answer(output, **said, infer=True) == render_answer(again.output, **said, infer=True)


def test_what_happens_to_one_request_s_answer_reaches_no_other() -> None:
    cache, given_ = PredictionCache(policy()), deepcopy(ANSWER)
    cache.keep(b"a", given_, 0.0)
    for _ in range(3):
        given_.output[0][0] = given_.predictions[0] = "spoiled"
        kept = cache.find(b"a", 1.0)
        assert kept is not None
        given_ = outcome_of(kept)
        assert ANSWER == given_


COLUMNS = st.dictionaries(st.text(max_size=3), st.lists(VALUES, max_size=3), max_size=3)
PARAMS = st.none() | st.dictionaries(st.text(max_size=3), VALUES | st.lists(FLOATS, max_size=2), max_size=2)
REQUESTS = st.tuples(st.sampled_from(["1", "2"]), COLUMNS, PARAMS)


@given(REQUESTS, REQUESTS)
def test_requests_have_one_hash_if_and_only_if_their_content_is_equal(one: Any, other: Any) -> None:
    hashes = {content_hash(version, Rows(columns, 1, params)) for version, columns, params in (one, other)}
    (version, columns, params), (_, _, others) = one, other
    told = [(v, repr(list(c.items())), None if p is None else repr(sorted(p.items()))) for v, c, p in (one, other)]
    assert len(set(told)) == len(hashes)
    assert content_hash(version, Rows(columns, 1, params)) in hashes
    turned = None if others is None else dict(reversed(others.items()))
    assert content_hash(version, Rows(columns, 1, others)) == content_hash(version, Rows(columns, 1, turned))


MOMENT = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
DIFFER = {
    "a sign of zero": ({"x": [0.0]}, {"x": [-0.0]}),
    "a missing value": ({"x": [None]}, {"x": [0.0]}),
    "a missing text": ({"x": [None]}, {"x": [""]}),
    "a text that says null": ({"x": [None]}, {"x": ["null"]}),
    "the last bit": ({"x": [0.1]}, {"x": [0.1 + 2**-56]}),
    "the order of rows": ({"x": [1.0, 2.0]}, {"x": [2.0, 1.0]}),
    "the number of rows": ({"x": [1.0]}, {"x": [1.0, 1.0]}),
    "the column": ({"x": [1.0], "y": [2.0]}, {"x": [2.0], "y": [1.0]}),
    "a column that is left out": ({"x": [1.0], "y": [None]}, {"x": [1.0]}),
    "a microsecond": ({"x": [MOMENT]}, {"x": [MOMENT + timedelta(microseconds=1)]}),
    "an hour": ({"x": [MOMENT]}, {"x": [MOMENT + timedelta(hours=1)]}),
    "a text": ({"x": ["é"]}, {"x": ["e\u0301"]}),
    "a quote": ({"x": ['a","b']}, {"x": ["a", "b"]}),
}


@pytest.mark.parametrize("difference", DIFFER)
def test_what_a_model_may_tell_apart_is_told_apart(difference: str) -> None:
    one, other = (content_hash("1", Rows(columns, 1)) for columns in DIFFER[difference])
    assert one != other


def test_who_asks_and_under_which_body_is_not_told_apart() -> None:
    rows = Rows({"x": [1.0]}, 1, digest="one body")
    assert content_hash("1", rows) == content_hash("1", replace(rows, digest="another"))


@pytest.mark.parametrize(
    ("kind", "spellings"),
    [
        ("float", [1, 1.0]),
        ("int", [1, 1.0]),
        ("timestamp", ["2026-03-01T12:00:00Z", "2026-03-01T13:00:00+01:00", "2026-03-01T12:00:00", "20260301T120000Z"]),
    ],
)
def test_one_value_in_several_spellings_is_one_request(kind: str, spellings: list[Any]) -> None:
    model = Model(replace(VERSION, inputs={"x": kind}), ABSENT, SPEC)
    hashes = {content_hash("1", Rows(in_types({"x": [value]}, model)[0], 1)) for value in spellings}
    assert 1 == len(hashes)
