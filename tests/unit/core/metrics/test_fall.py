"""A metric has fallen when it is worse than its own past by more than its windows vary."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.metrics.fall import Fall, Needed, judge_fall

STEADY = [0.40, 0.41, 0.39, 0.42, 0.40, 0.38, 0.41] * 4
NUMBERS = st.floats(-10, 10).map(lambda value: round(value, 4))


def judged(since: list[float], before: list[float] = STEADY, *, lower_is_better: bool = True) -> Fall:
    return judge_fall("log_loss", before, since, lower_is_better=lower_is_better)


def test_a_clear_rise_of_a_loss_is_a_fall_with_its_numbers() -> None:
    fall = judged([0.60, 0.61, 0.62])
    assert (True, 28, 3) == (fall.fallen, fall.windows_before, fall.windows_since)
    assert fall.why.startswith("log_loss 0.6100, before 0.4014, limit 3 times the noise of ")


def test_better_is_no_fall_in_either_direction() -> None:
    assert (False, True) == (judged([0.2] * 3).fallen, judged([0.2] * 3, lower_is_better=False).fallen)


def test_too_few_windows_are_not_judged_and_say_how_many_are_needed() -> None:
    fall = judged([0.9, float("nan")])
    assert (None, "28 earlier and 1 new windows with log_loss; 14 and 3 are needed") == (fall.fallen, fall.why)
    enough = judge_fall("log_loss", STEADY, [0.9, 0.9], lower_is_better=True, needed=Needed(14, 2))
    assert enough.fallen


def test_rounding_alone_is_no_fall() -> None:
    assert not judged([0.1 + 0.2] * 3, [0.3] * 20).fallen


def test_windows_that_are_alike_count_as_fewer_than_independent_ones() -> None:
    waves = [0.4 + 0.1 * float(np.sin(window / 5)) for window in range(60)]
    mixed = np.random.default_rng(7).permutation(waves).tolist()
    alike, independent = judged([0.5] * 14, waves), judged([0.5] * 14, mixed)
    assert (alike.noise or 0.0) > 1.5 * (independent.noise or 0.0)


@given(st.lists(NUMBERS, min_size=14, max_size=40), st.lists(NUMBERS, min_size=3, max_size=10), NUMBERS)
def test_a_verdict_does_not_depend_on_where_zero_is_nor_on_the_sign_with_the_direction(
    before: list[float], since: list[float], shift: float
) -> None:
    plain = judged(since, before)
    moved = judged([x + shift for x in since], [x + shift for x in before])
    turned = judged([-x for x in since], [-x for x in before], lower_is_better=False)
    margin = abs((plain.since or 0) - (plain.before or 0) - 3 * (plain.noise or 0))
    assert margin < 1e-6 or plain.fallen == moved.fallen == turned.fallen


def test_steady_noise_falls_in_fewer_than_one_of_a_hundred_judgements() -> None:
    draw = np.random.default_rng(7)
    series = draw.normal(0.4, 0.02, (200, 63))
    falls = [judged(list(one[60:]), list(one[:60])).fallen for one in series]
    assert sum(bool(fall) for fall in falls) <= 2


def test_a_stormy_series_of_alike_days_falls_as_rarely() -> None:
    draw = np.random.default_rng(7)
    falls = 0
    for _ in range(200):
        noise, level, series = draw.normal(0, 0.02, 63), 0.0, []
        for shock in noise:
            level = 0.6 * level + shock
            series.append(0.4 + level)
        falls += bool(judged(series[60:], series[:60]).fallen)
    assert falls <= 4
