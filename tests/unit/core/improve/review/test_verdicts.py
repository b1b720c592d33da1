"""What reviewers' verdicts add up to."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.improve.review.verdicts import Verdict, deciding, is_conflict

AT = datetime(2026, 3, 1, tzinfo=UTC)


def verdicts(*labels: str | None) -> list[Verdict]:
    return [Verdict(f"r{n}", "reject" if one is None else "correct", one, AT) for n, one in enumerate(labels)]


def test_one_wanted_verdict_decides() -> None:
    assert verdicts("1") == deciding(verdicts("1"), 1)


def test_a_conflict_of_two_stays_open_until_a_third_agrees_with_one_of_them() -> None:
    assert is_conflict(verdicts("1", "0"))
    assert [] == deciding(verdicts("1", "0"), 2)
    assert [] == deciding(verdicts("1", "0", None), 2)
    assert ["r0", "r2"] == [one.reviewer for one in deciding(verdicts("1", "0", "1"), 2)]


def test_who_cannot_judge_agrees_with_who_cannot_judge() -> None:
    assert verdicts(None, None) == deciding(verdicts(None, None), 2)


@given(st.lists(st.sampled_from(("0", "1", None)), max_size=9), st.integers(1, 4))
def test_what_decides_is_of_one_outcome_and_more_than_half(labels: list[str | None], wanted: int) -> None:
    given = verdicts(*labels)
    found = deciding(given, wanted)
    assert len({one.outcome for one in found}) <= 1
    if found:
        assert len(given) >= wanted
        assert 2 * len(found) > len(given)
    elif len(given) >= wanted:
        assert all(2 * labels.count(one) <= len(labels) for one in labels)
