"""How often the gate holds candidates on the year of flights: ordinary ones, leaks, and remembered evaluation rows.

``python -m benchmarks.release_held [--draws 40]``. Each draw is a retraining at the start of a random month from April
on, of 20,000 random past flights, against a champion of 10,000 flights from before an earlier month. Candidates:

- *ordinary*: the example's classifier, trained without the evaluation days.
- *leak of N %*: the same, with a column that holds the outcome of N % of the flights, and is missing for the others.
- *by trees*, *by neighbours*: trained on all evaluation rows too, by the example's classifier and by the mean of the
  five nearest neighbours; the product also finds these rows by their ids, which are not used here.

Only the candidates that pass the gate (default settings) count; they have no earlier verdicts. Before that, the year's
monthly retrainings in turn, of at most 40,000 flights, each once as it is and once with the evaluation rows in its
training: these have the verdicts on the months before.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd  # noqa: TID253 - nothing but this benchmark imports it
import pyarrow as pa

from benchmarks.release_year import Floats, Mask, Year
from examples.flights.data import LABEL
from examples.flights.trainer import train
from modelops_pipelines import TrainingContext
from modelops_pipelines.core.evaluation.gate import PASS, GateConfig, GateResult
from modelops_pipelines.core.evaluation.paired_comparison import judge, log_loss
from modelops_pipelines.core.evaluation.plausibility import Plausibility, Truth
from modelops_pipelines.core.evaluation.sanity_checks import Answered
from modelops_pipelines.operations.improve.evaluation.holds import Compared, carrying_column, plausibility_of
from modelops_pipelines.store.state.release.model_versions import ModelVersion

GATE = GateConfig()
ROWS, CHAMPION_ROWS, MONTH_ROWS, FIRST = 20_000, 10_000, 40_000, 4
LEAK = "settled"
KINDS = ("ordinary", "leak of 10 %", "leak of 30 %", "leak of 60 %", "leak of 100 %", "by trees", "by neighbours")
NEVER = datetime(2013, 1, 1, tzinfo=UTC)


Scores = Callable[["pd.DataFrame"], Floats]


@dataclass(frozen=True, eq=False)
class Judged:
    """A candidate compared with a champion on some flights: the gate's result, and what the product compares it by."""

    result: GateResult
    compared: Compared

    def plausibility(self, past: Sequence[Mapping[str, Any]] = ()) -> Plausibility:
        """Return the product's judgement, given the numbers of earlier verdicts."""
        return plausibility_of(GATE, self.compared, self.result, past)


def compare(year: Year, mask: Mask, champion: Floats, candidate: Scores, frame: "pd.DataFrame") -> Judged:
    """Judge a candidate on some flights; ``champion`` has the champion's scores of these, ``frame`` all features."""
    label = year.label[mask]
    scores = champion, candidate(frame[mask])
    answers = [Answered(log_loss(one, label), one) for one in scores]
    rows = year.rows(mask)

    def losses_of(features: "pd.DataFrame", places: Sequence[int]) -> Floats:
        return log_loss(candidate(features), label[list(places)])

    def judge_on(some: Mask) -> GateResult:
        return judge(*(Answered(one.losses[some], one.values[some]) for one in answers), rows.where(some), GATE)

    version = ModelVersion("flights", "2", "", dict.fromkeys(frame, "float"), None, None, None, NEVER)
    compared = Compared(
        version,
        version,
        pa.table({"row": np.flatnonzero(mask)}),
        frame[mask],
        year.day[mask],
        Truth(label, scored=True),
        (answers[0].losses, answers[1].losses),
        losses_of,
        judge_on,
    )
    return Judged(judge(answers[0], answers[1], rows, GATE), compared)


@dataclass(frozen=True)
class Draw:
    """A retraining at a random month, of a kind."""

    year: Year
    kind: str
    seed: int

    @cached_property
    def chance(self) -> np.random.Generator:
        """The draw's random numbers."""
        return np.random.default_rng(self.seed)

    def run(self) -> Judged:
        """Train champion and candidate, and compare them on the evaluation days before the month."""
        year, month = self.year, int(self.chance.integers(FIRST, 13))
        earlier = int(self.chance.integers(2, month))
        judged, frame = year.before(month) & year.evaluation, self._features()
        champion = year.fit(some(self.chance, year.before(earlier) & ~year.evaluation, CHAMPION_ROWS))
        mask = some(self.chance, year.before(month) & ~year.evaluation, ROWS)
        mask |= judged & self.kind.startswith("by")
        fit = _neighbours if self.kind == "by neighbours" else _trees
        return compare(year, judged, champion.scores(judged), fit(year, frame, mask), frame)

    def _features(self) -> "pd.DataFrame":
        if not self.kind.startswith("leak"):
            return self.year.inputs
        share = float(self.kind.split()[2]) / 100
        shown = self.chance.random(len(self.year.label)) < share
        return self.year.inputs.assign(**{LEAK: np.where(shown, self.year.label, np.nan)})


def some(chance: np.random.Generator, mask: Mask, rows: int) -> Mask:
    """Return a random choice of at most so many flights."""
    chosen = np.zeros(len(mask), bool)
    chosen[chance.choice(np.flatnonzero(mask), min(rows, int(mask.sum())), replace=False)] = True
    return chosen


def _trees(year: Year, frame: "pd.DataFrame", mask: Mask) -> Scores:
    context = TrainingContext("flights", "binary_classification", LABEL, tuple(frame))
    model = train(frame[mask].assign(**{LABEL: year.label[mask].astype(int)}), context)
    return lambda given: np.asarray(model.predict_proba(given)[:, 1])


def _neighbours(year: Year, frame: "pd.DataFrame", mask: Mask) -> Scores:
    from sklearn.neighbors import KNeighborsClassifier

    known = frame[mask]
    numbers = [name for name in frame if frame[name].dtype.kind == "f"]
    middle, spread = known[numbers].mean(), known[numbers].std()

    def scaled(given: "pd.DataFrame") -> Any:
        return ((given[numbers] - middle) / spread).fillna(0).to_numpy()

    model = KNeighborsClassifier(5, weights="distance").fit(scaled(known), year.label[mask].astype(int))
    return lambda given: np.clip(model.predict_proba(scaled(given))[:, 1], 0.01, 0.99)


def main() -> None:
    """Print both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=40, help="candidates of each kind")
    parser.add_argument("--kinds", nargs="*", default=KINDS)
    given = parser.parse_args()
    started, year = time.process_time(), Year.read(GATE.every_nth_day)
    months(year)
    print("\n| candidate | passed | held | losses of champion, candidate | improvement | named |")
    print("|---|---|---|---|---|---|")
    for kind in given.kinds:
        drawn = [Draw(year, kind, seed).run() for seed in range(given.draws)]
        show(kind, [one for one in drawn if one.result.verdict == PASS], given.draws)
    print(f"\n{time.process_time() - started:.0f} s of CPU")


def months(year: Year) -> None:
    """Print the year's retrainings, each once as it is and once with the evaluation rows in its training."""
    print("| month | ordinary: verdict, improvement, held | by trees: verdict, improvement, held |\n|---|---|---|")
    chance, past = np.random.default_rng(0), list[Mapping[str, Any]]()
    champion = _trees(year, year.inputs, some(chance, year.before(2) & ~year.evaluation, MONTH_ROWS))
    for month in range(3, 13):
        judged = year.before(month) & year.evaluation
        old, trained = champion(year.inputs[judged]), some(chance, year.before(month) & ~year.evaluation, MONTH_ROWS)
        ordinary = _trees(year, year.inputs, trained)
        cells = []
        for candidate in (ordinary, _trees(year, year.inputs, trained | judged)):
            found = compare(year, judged, old, candidate, year.inputs)
            plausible = found.plausibility(past)
            gain = plausible.numbers["relative_improvement"]
            cells.append((found.result.verdict, plausible, f"{gain:.1%}", "held" if plausible.reasons else "not held"))
        shown = " | ".join(f"{verdict}, {gain}, {held}" for verdict, _, gain, held in cells)
        print(f"| {month} | {shown} |", flush=True)
        past.append(cells[0][1].numbers)
        champion = ordinary if cells[0][0] == PASS else champion


def show(kind: str, passed: Sequence[Judged], draws: int) -> None:
    """Print a kind's row: relative losses are means, the improvement is the range over the passed candidates."""
    found = [one.plausibility() for one in passed]
    held = [one.compared for one, plausible in zip(passed, found, strict=True) if plausible.reasons]
    names = ("champion_relative_loss", "candidate_relative_loss", "relative_improvement")
    numbers: Any = {name: [one.numbers[name] for one in found] or [0.0] for name in names}
    old, new = (float(np.mean(numbers[name])) for name in names[:2])
    gains = f"{min(numbers[names[2]]):.1%} to {max(numbers[names[2]]):.1%}"
    named = dict(Counter(carrying_column(one)[0] for one in held))
    print(f"| {kind} | {len(passed)} of {draws} | {len(held)} | {old:.3f}, {new:.3f} | {gains} | {named} |", flush=True)


if __name__ == "__main__":
    main()
