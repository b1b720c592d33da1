"""The random sample of predictions, and the estimate of quality from it."""

from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.improve.review.sampling import Drawn, draw, estimate

IDS = st.lists(st.text("abcdef0123456789", min_size=1, max_size=8), unique=True, max_size=60)
DRAWS = 3000


@given(IDS, st.integers(0, 20), st.randoms())
def test_the_same_ids_in_any_order_give_the_same_draw(ids: list[str], number: int, random: object) -> None:
    mixed = list(ids)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    drawn = draw(ids, number, "air_time 2013-02-01")
    assert drawn == draw(mixed, number, "air_time 2013-02-01")
    assert min(number, len(ids)) == len(drawn) == len(set(drawn))


@given(IDS, IDS, st.integers(1, 20))
def test_a_repeated_draw_keeps_what_was_drawn_and_adds_late_ones_that_one_draw_of_all_would_have(
    ids: list[str], late: list[str], number: int
) -> None:
    first = draw(ids, number, "day")
    again = draw({*ids, *late}, number, "day", drawn=first)
    assert set(first) <= set(again)
    assert again == draw({*ids, *late}, len(again), "day")
    if len(first) == number:
        assert set(again) - set(first) <= set(late) - set(ids)


def test_each_prediction_is_drawn_equally_often_over_days() -> None:
    ids = [f"id-{row}" for row in range(20)]
    counts = dict.fromkeys(ids, 0)
    for day in range(DRAWS):
        for one in draw(ids, 5, f"day {day}"):
            counts[one] += 1
    expected, spread = DRAWS / 4, (DRAWS * 0.25 * 0.75) ** 0.5
    assert all(abs(count - expected) < 4.5 * spread for count in counts.values())


def test_the_estimate_is_unbiased_over_draws_though_days_differ_in_size_and_quality() -> None:
    days = {"mon": [1.0] * 90 + [0.0] * 10, "tue": [1.0] * 5 + [0.0] * 15, "wed": [0.0, 1.0, 1.0]}
    truth = fmean(value for values in days.values() for value in values)
    found = []
    for number in range(DRAWS):
        sample = []
        for day, values in days.items():
            drawn = draw([str(place) for place in range(len(values))], 4, f"{day} {number}")
            sample += [Drawn(day, len(drawn) / len(values), values[int(place)]) for place in drawn]
        result = estimate(sample, share=True)
        assert result.value is not None
        found.append(result.value)
    error = np.std(found) / DRAWS**0.5
    assert abs(fmean(found) - truth) < 4.5 * error


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(7)
    values = (random.random(400) < 0.8).astype(float).tolist()
    covered = 0
    for number in range(600):
        sample = []
        for day in range(8):
            of_day = values[day * 50 : day * 50 + 50]
            drawn = draw([str(place) for place in range(50)], 10, f"{number} {day}")
            sample += [Drawn(str(day), 0.2, of_day[int(place)]) for place in drawn]
        result = estimate(sample, share=True)
        assert result.low is not None
        assert result.high is not None
        covered += result.low <= fmean(values) <= result.high
    assert 0.92 <= covered / 600 <= 0.99


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from((None, 0.0, 1.0))), max_size=30))
def test_a_share_and_its_interval_stay_within_zero_and_one(draws: list[tuple[str, float | None]]) -> None:
    result = estimate([Drawn(day, 0.1, value) for day, value in draws], share=True)
    judged = [value for _, value in draws if value is not None]
    assert (len(judged), len(draws)) == (result.judged, result.drawn)
    assert (result.value is None) == (not judged)
    if result.low is not None and result.high is not None and result.value is not None:
        assert 0 <= result.low <= result.value <= result.high <= 1
    else:
        assert result.reason


def test_a_whole_day_judged_is_its_mean_without_doubt() -> None:
    result = estimate([Drawn("mon", 1.0, value) for value in (1.0, 2.0, 6.0)], share=False)
    assert (3.0, 3.0, 3.0, 3) == (result.value, result.low, result.high, result.predictions)


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        ([], "no prediction was drawn"),
        ([Drawn("mon", 0.5, None)], "no drawn prediction is judged yet"),
        ([Drawn("mon", 0.5, 1.0)], "one judged prediction gives no interval"),
        ([Drawn("mon", 0.5, 1.0), Drawn("tue", 0.5, 1.0)], "no day has two judged predictions"),
    ],
)
def test_what_cannot_be_estimated_says_why(sample: list[Drawn], reason: str) -> None:
    assert reason == estimate(sample, share=True).reason
