"""What counts of requests say in a deployment's checklist: passed, failed, or unknown with the reason."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.endpoints.spec import Guard
from modelops_pipelines.core.metrics.latency_sketch import bucket
from modelops_pipelines.core.release.checklist import (
    FAILED,
    PASSED,
    UNKNOWN,
    Checklist,
    Compared,
    Finding,
    Item,
    Served,
    State,
    judge_errors,
    judge_first,
    judge_latency,
    judge_memory,
    judge_share,
    together,
)

GUARD, LIMIT, MINIMUM = Guard(), 0.10, 100
WORSE = (PASSED, UNKNOWN, FAILED)


def compared(mine: Served, other: Served) -> Compared:
    return Compared(mine, other, "since 12:00", "before 12:00")


def errors(mine: tuple[int, int], other: tuple[int, int], limit: float = LIMIT) -> Finding:
    """Judge failed requests, of all."""
    sides = [Served(requests, failed) for failed, requests in (mine, other)]
    return judge_errors(compared(*sides), GUARD, limit, MINIMUM)


def latency(mine: Mapping[float, int], other: Mapping[float, int]) -> Finding:
    """Judge answers by their milliseconds."""
    sides = [Served(sum(of.values()), 0, {bucket(ms): n for ms, n in of.items()}) for of in (mine, other)]
    return judge_latency(compared(*sides), GUARD, MINIMUM)


@pytest.mark.parametrize(
    ("answers", "state"),
    [([], UNKNOWN), ([False], PASSED), ([False, False, True], FAILED)],
)
def test_the_first_answers_fail_with_the_first_error(answers: list[bool], state: str) -> None:
    found = judge_first(answers, "2")
    assert state == found.state
    assert "version 2" in found.evidence


@pytest.mark.parametrize(
    ("mine", "other", "state"),
    [
        ((0, 0), (0, 1000), UNKNOWN),
        ((0, 99), (0, 1000), UNKNOWN),
        ((0, 1000), (0, 99), UNKNOWN),
        ((0, 1000), (0, 0), UNKNOWN),
        ((0, 100), (0, 100), PASSED),
        ((5, 1000), (4, 1000), PASSED),
        ((1, 100), (0, 100), UNKNOWN),
        ((30, 1000), (4, 1000), FAILED),
        ((30, 1000), (30, 1000), PASSED),
        ((9, 10), (0, 0), FAILED),
        ((200, 1000), (200, 1000), FAILED),
    ],
)
def test_errors_are_judged_by_the_limit_and_by_what_was_before(
    mine: tuple[int, int], other: tuple[int, int], state: str
) -> None:
    assert state == errors(mine, other).state


def test_the_evidence_on_errors_has_both_counts_and_times() -> None:
    said = errors((30, 1000), (4, 2000)).evidence
    assert (
        "30 of 1,000 request(s) failed (3.00%) since 12:00; 4 of 2,000 request(s) failed (0.20%) before 12:00" == said
    )
    assert errors((200, 1000), (0, 0)).evidence.endswith("no request before 12:00; the limit is 10.0%")
    assert errors((1, 1000), (0, 10)).evidence.endswith("a judgement needs 100 on both sides")
    assert errors((1, 100), (0, 100)).evidence.endswith("the difference is not proven")


COUNTS = st.integers(0, 400)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_one_more_failure_never_makes_the_state_better_and_few_requests_never_pass(
    requests: int, failed: int, others: int, others_failed: int
) -> None:
    other = (min(others_failed, others), others)
    if requests and failed < requests:
        before, after = (errors((count, requests), other).state for count in (failed, failed + 1))
        assert WORSE.index(before) <= WORSE.index(after)
    if min(requests, others) < MINIMUM:
        assert PASSED != errors((min(failed, requests), requests), other).state


USUAL = {10.0: 950, 20.0: 50}


@pytest.mark.parametrize(
    ("mine", "other", "state"),
    [
        ({}, USUAL, UNKNOWN),
        ({10.0: 500}, {10.0: 49}, UNKNOWN),
        ({10.0: 99}, USUAL, UNKNOWN),
        ({10.0: 500}, USUAL, PASSED),
        ({15.0: 500}, USUAL, PASSED),
        ({10.0: 400, 100.0: 100}, USUAL, FAILED),
        ({10.0: 480, 100.0: 20}, USUAL, PASSED),
        ({10.0: 11, 100.0: 1}, USUAL, UNKNOWN),
    ],
)
def test_latency_is_judged_by_the_share_of_slow_answers(
    mine: dict[float, int], other: dict[float, int], state: str
) -> None:
    assert state == latency(mine, other).state


def test_the_evidence_on_latency_has_both_percentiles() -> None:
    said = latency({10.0: 400, 100.0: 100}, USUAL).evidence
    assert said.startswith("p95 99.9 ms of 500 answers since 12:00, 10 ms of 1,000 before 12:00; 20.0% took over 20")


@pytest.mark.parametrize(
    ("share", "mine", "callers", "state"),
    [
        (20, 0, 0, UNKNOWN),
        (20, 10, 50, UNKNOWN),
        (20, 200, 1000, PASSED),
        (20, 215, 1000, PASSED),
        (20, 300, 1000, FAILED),
        (20, 100, 1000, FAILED),
        (20, 0, 50, FAILED),
    ],
)
def test_a_share_fails_when_chance_does_not_explain_it(share: int, mine: int, callers: int, state: str) -> None:
    assert state == judge_share(share, mine, callers, GUARD, MINIMUM).state


GIB = 1 << 30


@pytest.mark.parametrize(
    ("available", "held", "workers", "state"),
    [
        (4 * GIB, GIB, 2, PASSED),
        (4 * GIB, GIB, 5, FAILED),
        (4 * GIB, None, 2, UNKNOWN),
        (GIB, 1, 1, FAILED),
        (GIB, None, 1, FAILED),
    ],
)
def test_memory_has_to_hold_the_files_in_each_worker_and_to_leave_some(
    available: int, held: int | None, workers: int, state: str
) -> None:
    assert state == judge_memory(available, 16 * GIB, held, workers).state


@pytest.mark.parametrize(
    ("states", "state"),
    [((), UNKNOWN), ((PASSED, PASSED), PASSED), ((PASSED, UNKNOWN), UNKNOWN), ((UNKNOWN, FAILED, PASSED), FAILED)],
)
def test_several_findings_are_the_worst_of_them_with_all_evidence(states: tuple[State, ...], state: str) -> None:
    found = together([Finding(one, str(n)) for n, one in enumerate(states)])
    assert (state, "; ".join(map(str, range(len(states))))) == (found.state, found.evidence)


def test_a_checklist_counts_its_items_by_state() -> None:
    items = [Item("before", "files", state, "", "") for state in (PASSED, PASSED, UNKNOWN)]
    found = Checklist("e", "1", None, None, datetime(2026, 3, 1, tzinfo=UTC), items)
    assert {PASSED: 2, FAILED: 0, UNKNOWN: 1} == found.counts
