"""A drift does harm when a column that matters drifted and quality fell; a year without harm retrains nothing."""

from datetime import UTC, datetime, timedelta

import numpy as np

from modelops_pipelines.core.endpoints.improvement import Retraining
from modelops_pipelines.core.improve.retraining.harm import NEEDED, judge_harm
from modelops_pipelines.core.improve.retraining.trigger import HARMFUL_DRIFT, RetrainingEvidence, Signal, decide
from modelops_pipelines.core.metrics.fall import Fall, judge_fall

FELL = Fall("log_loss", fallen=True, why="log_loss 0.6, before 0.4, limit 3 times the noise of 0.01")
KEPT = Fall("estimated log_loss", fallen=False, why="estimated log_loss 0.4, before 0.4")
UNKNOWN = Fall("log_loss", fallen=None, why="2 earlier and 1 new windows with log_loss; 14 and 3 are needed")
START = datetime(2026, 1, 1, tzinfo=UTC)


def test_labels_or_the_estimate_are_enough_when_a_column_matters() -> None:
    for falls in ([FELL, KEPT], [KEPT, FELL], [UNKNOWN, FELL]):
        harm = judge_harm({"age": 0.4, "shoe_size": 0.01}, falls)
        assert (True, f"drift of age 0.40 (importance); {FELL.why}") == (harm.harmful, harm.why)


def test_columns_that_do_not_matter_do_no_harm_whatever_quality_does() -> None:
    harm = judge_harm({"shoe_size": 0.01}, [FELL])
    assert (False, "no drifted column matters (largest importance 0.010, limit 0.05)") == (harm.harmful, harm.why)


def test_a_column_of_unknown_importance_may_matter() -> None:
    assert judge_harm({"age": None}, [FELL]).harmful


def test_quality_that_is_not_known_is_no_harm_and_says_what_is_missing() -> None:
    harm = judge_harm({"age": 0.4}, [UNKNOWN])
    assert (False, f"quality has not fallen ({UNKNOWN.why})") == (harm.harmful, harm.why)


def simulated_year(rise: float) -> int:
    """Return the retrainings of a year in which every column drifts from day 60 on and the loss rises by ``rise``."""
    draw = np.random.default_rng(3)
    loss, level = [], 0.0
    for day in range(365):
        level = 0.5 * level + draw.normal(0, 0.02)
        loss.append(0.4 + level + (rise if day >= 60 else 0.0))
    rules, started, last = Retraining(min_new_labels=100), 0, None
    for day in range(61, 365):
        before, since = loss[max(0, day - 56) : 60], loss[60:day]
        fall = judge_fall("log_loss", before, since, lower_is_better=True, needed=NEEDED)
        harm = judge_harm({"age": 0.5, "income": 0.5}, [fall])
        signal = Signal("drift", HARMFUL_DRIFT, harm.harmful, harm.why)
        now = START + timedelta(days=day)
        if decide(RetrainingEvidence([signal], 10_000, now, last), rules).start:
            started, last = started + 1, now
    return started


def test_a_year_of_drift_without_harm_retrains_nothing() -> None:
    assert 0 == simulated_year(rise=0.0)


def test_a_year_of_drift_with_harm_retrains() -> None:
    assert simulated_year(rise=0.1) > 0
