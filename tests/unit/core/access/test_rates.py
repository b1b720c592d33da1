"""Rates as people write them: what we read, the library ``limits`` reads alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import parse_many

from modelops_pipelines.core.access.rates import MOST, Rate, parse_rates, rate_problem

UNITS = ["second", "seconds", "minute", "minutes", "hour", "hours", "day", "days"]
RATE = st.builds(
    lambda amount, many, unit: f"{amount}/{many}{unit}",
    st.integers(0, MOST + 1),
    st.one_of(st.just(""), st.integers(0, 9999).map("{} ".format)),
    st.sampled_from(UNITS),
)
LIKE_RATES = st.one_of(
    st.lists(RATE, min_size=1, max_size=4).map("; ".join),
    st.text("0123456789/; smhdayinutero,|", max_size=20),
    st.from_regex(r"\A ?[0-9]{1,3}( per |/| / ?)([0-9] ?)?(second|minutes?|month)( ?[;,|] ?[0-9]/day)?;?\Z"),
)
NO_RATES = (
    *("", "100", "/minute", "1/", "1/fortnight", "1/month", "1 /minute", "1/5minutes", "-1/day", "1.5/day", "1/day;"),
    *("1/day,2/hour", "1/day|2/hour", "1 per day", "1/DAY", "٣/day", "1/day\n", "0/day", "1/0 days", f"{MOST + 1}/day"),
)


def test_windows_are_read_in_their_order() -> None:
    expected = (Rate(100, 60, "100/minute"), Rate(10, 1, "10/second"), Rate(5, 7200, "5/2 hours"))
    assert expected == parse_rates("100/minute;10/second ; 5/2 hours")


@given(LIKE_RATES)
def test_what_is_read_the_library_reads_with_the_same_amounts(text: str) -> None:
    rates = parse_rates(text)
    assert (rates is None) == (rate_problem(text) is not None)
    if rates is not None:
        theirs = [(item.amount, item.get_expiry()) for item in parse_many(text)]
        assert theirs == [(rate.amount, rate.seconds) for rate in rates]


@given(st.lists(RATE.filter(lambda text: parse_rates(text) is not None), min_size=1, max_size=4))
def test_joining_what_is_read_is_read(texts: list[str]) -> None:
    assert [rate.text for rate in parse_rates("; ".join(texts)) or ()] == texts


@pytest.mark.parametrize("text", NO_RATES)
def test_what_is_no_rate_is_refused_with_a_reason(text: str) -> None:
    assert parse_rates(text) is None
    assert rate_problem(text) is not None
