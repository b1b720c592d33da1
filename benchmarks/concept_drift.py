"""How soon concept drift is found on the flights' year, and how often the rule and the retraining are wrong about it.

``python -m benchmarks.concept_drift [--years 200]``. *Flights*: a model of January answers February to December 2013;
each day's excess errors by the calibration that the product would have had then. *Steady years*: days whose excess is
noise that lasts (correlation 0 to 0.6 from day to day, standard deviation 3 %). *Drift without harm*: a year in which
every column drifts from day 60 on and the loss stays as it was; the retraining is decided each day.
"""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from examples.flights.data import LABEL, flights_frame, labelled, months
from examples.flights.trainer import train
from modelops_pipelines.core.endpoints.improvement import Retraining
from modelops_pipelines.core.improve.retraining.harm import NEEDED, judge_harm
from modelops_pipelines.core.improve.retraining.trigger import HARMFUL_DRIFT, RetrainingEvidence, Signal, decide
from modelops_pipelines.core.improve.training.context import TrainingContext
from modelops_pipelines.core.metrics.cbpe import calibrate
from modelops_pipelines.core.metrics.fall import Needed, judge_fall
from modelops_pipelines.core.metrics.score_histogram import BINS, score_bins
from modelops_pipelines.operations.alerting.judges.excess_errors import BEFORE, FEWEST_BEFORE, OVER

if TYPE_CHECKING:
    import pandas as pd

FEATURES = (
    *("sched_minute", "sched_duration", "distance", "plane_age", "plane_seats", "temp", "visib"),
    *("origin_delay", "carrier", "origin", "dest"),
)
HORIZON = timedelta(hours=36)
DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
SPREAD = 0.03
DRIFTS_FROM = 60


def main() -> None:
    """Print the three parts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--years", type=int, default=200)
    years = parser.parse_args().years
    days, excess = flights_excess()
    for span in (1, 2, 3, 5, 7):
        found = [f"{days[place]:%d %b}" for place in failing_days(excess, span)]
        print(f"flights, mean of {span} day(s): {len(found)} days fail: {', '.join(found) or 'none'}")
    span = OVER["day"] // DAY
    draw = np.random.default_rng(7)
    for alike in (0.0, 0.3, 0.6):
        failing = [len(failing_days(noise(draw, 365, alike), span)) for _ in range(years)]
        hit = sum(bool(one) for one in failing)
        print(f"steady years, correlation {alike}: {sum(failing)} failing days in {years} years, in {hit} of them")
    for alike in (0.0, 0.3, 0.6):
        started = [harmless_year(draw, alike) for _ in range(years)]
        print(f"drift without harm, correlation {alike}: {sum(started)} retrainings in {years} years")


def flights_excess() -> tuple[Sequence[datetime], list[float]]:
    """Return the days of February to December, and the errors on each beyond those that the scores expect."""
    flights = flights_frame()
    january = labelled(months(flights, 1, 1))
    context = TrainingContext("flights", "binary_classification", LABEL, FEATURES)
    model = train(january[[*FEATURES, LABEL]], context)
    later = months(flights, 2, 12)
    inputs = later[list(FEATURES)].copy()
    numbers = [name for name in FEATURES if inputs[name].dtype.kind in "if"]
    inputs[numbers] = inputs[numbers].astype("float64")
    scored = later.assign(score=model.predict_proba(inputs)[:, 1], day=later["departs_at"].dt.floor("D"))
    return daily_excess(scored)


def daily_excess(scored: "pd.DataFrame") -> tuple[Sequence[datetime], list[float]]:
    """Return the days that can be judged and their excess errors; ``scored`` has day, score and label."""
    counts: dict[datetime, tuple[np.ndarray, np.ndarray]] = {}
    judged: list[tuple[datetime, float]] = []
    for day, flights in scored.groupby("day"):
        known = flights[flights[LABEL].notna()]
        late = known[LABEL].to_numpy(np.float64)
        bins = score_bins(known["score"].to_numpy())
        counts[day] = (np.bincount(bins, late, BINS), np.bincount(bins, 1 - late, BINS))
        earlier = [one for before, one in counts.items() if before <= day - HORIZON - DAY]
        if not earlier:
            continue
        chance = calibrate(sum(one[0] for one in earlier), sum(one[1] for one in earlier))
        if chance is None:
            continue
        score, certain = flights["score"].to_numpy(), chance[score_bins(flights["score"].to_numpy())]
        expected = np.where(score >= 0.5, 1 - certain, certain).mean()
        errors = ((known["score"].to_numpy() >= 0.5) != (late == 1)).mean()
        judged.append((day, float(errors - expected)))
    return [day for day, _ in judged], [value for _, value in judged]


def failing_days(excess: Sequence[float], span: int) -> list[int]:
    """Return the positions of the days on which the rule fails with a threshold of 0."""
    needed, found = Needed(FEWEST_BEFORE, span, span), []
    for end in range(span, len(excess) + 1):
        before = excess[max(0, end - span - BEFORE["day"]) : end - span]
        fall = judge_fall("excess_errors", before, excess[end - span : end], lower_is_better=True, needed=needed)
        if fall.fallen and (fall.since or 0.0) > 0:
            found.append(end - 1)
    return found


def noise(draw: np.random.Generator, days: int, alike: float) -> list[float]:
    """Return a series of mean 0 whose neighbours correlate."""
    level, made = 0.0, []
    for shock in draw.normal(0, SPREAD * (1 - alike**2) ** 0.5, days):
        level = alike * level + shock
        made.append(level)
    return made


def harmless_year(draw: np.random.Generator, alike: float) -> int:
    """Return how many retrainings a year has in which every column drifts and the loss does not change."""
    loss = [0.4 + value for value in noise(draw, 365, alike)]
    rules, started, last = Retraining(min_new_labels=100), 0, None
    for day in range(DRIFTS_FROM + 1, len(loss)):
        before = loss[max(0, DRIFTS_FROM - 56) : DRIFTS_FROM]
        fall = judge_fall("log_loss", before, loss[DRIFTS_FROM:day], lower_is_better=True, needed=NEEDED)
        harm = judge_harm({"age": 0.5, "income": 0.5}, [fall])
        signal = Signal("drift", HARMFUL_DRIFT, harm.harmful, harm.why)
        now = START + timedelta(days=day)
        if decide(RetrainingEvidence([signal], 10_000, now, last), rules).start:
            started, last = started + 1, now
    return started


if __name__ == "__main__":
    main()
