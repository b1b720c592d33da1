"""Which crashes withdraw a version, and which are not its fault."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelops_pipelines.core.release.crash_guard import (
    CRASH,
    CRASHED,
    ESTABLISHED_WITHIN,
    HANG,
    LAST_WITHIN,
    PATIENCE,
    ROWS_APART,
    SURVIVED,
    UNTESTED,
    Crash,
    crashes_of_rows,
    judge_crashes,
    row_hashes,
)
from modelops_pipelines.core.release.sequential_tests import FAIL, INCONCLUSIVE

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ONE = Crash(CRASH, "SIGABRT", frozenset({"a"}), NOW - timedelta(seconds=20), compared=SURVIVED)
SAME, OTHER = replace(ONE), replace(ONE, rows=frozenset({"b"}), cause="SIGSEGV")
REPRODUCED = replace(ONE, reproduced=True)
TRIAL, ESTABLISHED, LAST = (True, False), (False, False), (False, True)


@pytest.mark.parametrize(
    ("crashes", "standing", "verdict"),
    [
        ([], TRIAL, INCONCLUSIVE),
        ([ONE], TRIAL, INCONCLUSIVE),
        ([REPRODUCED], TRIAL, FAIL),
        ([ONE, SAME], TRIAL, FAIL),
        ([ONE, OTHER], TRIAL, FAIL),
        ([REPRODUCED], ESTABLISHED, INCONCLUSIVE),
        ([REPRODUCED, SAME], ESTABLISHED, INCONCLUSIVE),
        ([ONE, OTHER], ESTABLISHED, FAIL),
        ([REPRODUCED], LAST, INCONCLUSIVE),
        ([ONE, OTHER], LAST, FAIL),
        ([ONE, OTHER], (True, True), FAIL),
        ([REPRODUCED], (True, True), INCONCLUSIVE),
    ],
)
def test_two_crashes_withdraw_a_version_on_trial_and_two_different_rows_any_other(
    crashes: list[Crash], standing: tuple[bool, bool], verdict: str
) -> None:
    assert verdict == _judged(crashes, standing).verdict


@pytest.mark.parametrize("standing", [TRIAL, ESTABLISHED, LAST])
def test_a_crash_that_the_version_before_shares_is_not_held_against_the_version(standing: tuple[bool, bool]) -> None:
    crashes = [replace(one, compared=CRASHED) for one in (REPRODUCED, OTHER)]
    verdict = _judged(crashes, standing)
    assert (INCONCLUSIVE, 2) == (verdict.verdict, verdict.numbers["excused"])


def test_a_crash_counts_once_the_version_before_was_tried_or_patience_is_over() -> None:
    pending = [replace(one, compared=None, at=NOW - timedelta(seconds=1)) for one in (ONE, OTHER)]
    assert INCONCLUSIVE == _judged(pending, TRIAL).verdict
    late = [replace(one, at=NOW - PATIENCE - timedelta(seconds=1)) for one in pending]
    assert FAIL == _judged(late, TRIAL).verdict
    assert FAIL == _judged([replace(one, compared=UNTESTED) for one in pending], TRIAL).verdict


@pytest.mark.parametrize(("standing", "within"), [(ESTABLISHED, ESTABLISHED_WITHIN), (LAST, LAST_WITHIN)])
def test_old_crashes_of_a_champion_are_forgiven(standing: tuple[bool, bool], within: timedelta) -> None:
    old = [replace(one, at=NOW - within - timedelta(seconds=1)) for one in (ONE, OTHER)]
    assert INCONCLUSIVE == _judged(old, standing).verdict


def test_crashes_with_a_row_in_common_are_one_and_those_without_rows_are_each_their_own() -> None:
    neighbours = replace(OTHER, rows=frozenset({"a", "c"}))
    assert 1 == _judged([ONE, neighbours], ESTABLISHED).numbers["different_rows"]
    unknown = replace(ONE, rows=frozenset())
    assert 2 == _judged([unknown, unknown], ESTABLISHED).numbers["different_rows"]


def test_the_guard_is_named_after_what_happened_most_and_the_reason_has_the_causes() -> None:
    verdict = _judged([replace(one, kind=HANG, cause="no answer for 5 s") for one in (ONE, OTHER)], TRIAL)
    assert "hangs" == verdict.guard
    assert "hangs: the process ended or was blocked 2 time(s): no answer for 5 s (2)" == verdict.reason


def test_a_row_that_is_tried_again_counts_twice_already() -> None:
    assert {"a": 2} == crashes_of_rows([replace(ONE, reproduced=None)])
    assert {"a": 1, "b": 1} == crashes_of_rows([ONE, OTHER])
    assert {"a": 3} == crashes_of_rows([ONE, REPRODUCED])


def test_rows_are_told_apart_by_their_values_and_a_large_request_as_a_whole() -> None:
    columns: dict[str, list[Any]] = {"x": [1.0, 2.0, 1.0], "c": ["a", "a", "a"]}
    first, second, third = row_hashes(columns, 3)
    assert (first, True) == (third, first != second)
    assert [first] == row_hashes({"x": [1.0], "c": ["a"]}, 1)
    assert 1 == len(row_hashes({"x": [0.0] * (ROWS_APART + 1)}, ROWS_APART + 1))
    assert row_hashes({"c": ["\ud800"]}, 1) != row_hashes({"c": ["\ud801"]}, 1)


def _judged(crashes: list[Crash], standing: tuple[bool, bool]) -> Any:
    on_trial, is_last = standing
    return judge_crashes(crashes, NOW, on_trial=on_trial, is_last=is_last)
