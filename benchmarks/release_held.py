"""How often the gate holds candidates on the year of flights: ordinary ones, leaks, and remembered evaluation rows.

``python -m benchmarks.release_held [--draws 40]``. Each draw is a retraining at the start of a random month from April
on, of 20,000 random past flights, against a champion of 10,000 flights from before an earlier month. Candidates:

- *ordinary*: the example's classifier, trained without the evaluation days.
- *leak of N %*: the same, with a column that holds the outcome of N % of the flights, and is missing for the others.
- *by trees*, *by neighbours*: trained on all evaluation rows too, by the example's classifier and by the mean of the
  five nearest neighbours; the product also finds these rows by their ids, which are not used here.

Only the candidates that pass the gate (default settings) count. *Held at once* is without earlier verdicts, *with
history* after three verdicts on ordinary candidates of earlier seeds, as a project has from its fourth retraining on.
"""

import argparse
import time
from collections import Counter
from collections.abc import Mapping, Sequence
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
from modelops_pipelines.operations.improve.holds import Compared, carrying_column, plausibility_of
from modelops_pipelines.store.state.release.deployments import ModelVersion

GATE = GateConfig()
ROWS, CHAMPION_ROWS, FIRST = 20_000, 10_000, 4
LEAK = "settled"
KINDS = ("ordinary", "leak of 10 %", "leak of 30 %", "leak of 60 %", "leak of 100 %", "by trees", "by neighbours")
NEVER = datetime(2013, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Draw:
    """A retraining: champion and candidate, and the rows that judge them."""

    year: Year
    kind: str
    seed: int

    @cached_property
    def chance(self) -> np.random.Generator:
        """The draw's random numbers."""
        return np.random.default_rng(self.seed)

    def run(self, past: Sequence[Mapping[str, Any]] = ()) -> tuple[str, Plausibility, Plausibility, str | None]:
        """Return the gate's verdict, the plausibility at once and with history, and a held candidate's column."""
        year, chance = self.year, self.chance
        month = int(chance.integers(FIRST, 13))
        earlier = int(chance.integers(2, month))
        judged = year.before(month) & year.evaluation
        frame = self._features()
        champion = year.fit(self._some(year.before(earlier) & ~year.evaluation, CHAMPION_ROWS))
        known = year.before(month) & (np.ones(len(judged), bool) if self.kind.startswith("by") else ~year.evaluation)
        score = self._fitted(frame, self._some(known, ROWS) | (judged & (self.kind.startswith("by"))))
        scores = champion.scores(judged), score(frame[judged])
        losses = [log_loss(one, year.label[judged]) for one in scores]
        answers = [Answered(*one) for one in zip(losses, scores, strict=True)]
        result = judge(answers[0], answers[1], year.rows(judged), GATE)
        version = ModelVersion("flights", "2", "", dict.fromkeys(frame, "float"), None, None, None, NEVER)

        def losses_of(features: "pd.DataFrame", places: Any) -> Floats:
            return log_loss(score(features), year.label[judged][list(places)])

        def judge_on(mask: Mask) -> GateResult:
            some = [Answered(one.losses[mask], one.values[mask]) for one in answers]
            return judge(some[0], some[1], year.rows(judged).where(mask), GATE)

        rows, truth = pa.table({"row": np.flatnonzero(judged)}), Truth(year.label[judged], scored=True)
        compared = Compared(
            version, version, rows, frame[judged], year.day[judged], truth, (losses[0], losses[1]), losses_of, judge_on
        )
        alone, found = plausibility_of(GATE, compared, result, []), plausibility_of(GATE, compared, result, past)
        return result.verdict, alone, found, carrying_column(compared)[0] if found.reasons else None

    def _features(self) -> "pd.DataFrame":
        if not self.kind.startswith("leak"):
            return self.year.inputs
        share = float(self.kind.split()[2]) / 100
        shown = self.chance.random(len(self.year.label)) < share
        return self.year.inputs.assign(**{LEAK: np.where(shown, self.year.label, np.nan)})

    def _some(self, mask: Mask, rows: int) -> Mask:
        chosen = np.zeros(len(mask), bool)
        chosen[self.chance.choice(np.flatnonzero(mask), min(rows, int(mask.sum())), replace=False)] = True
        return chosen

    def _fitted(self, frame: "pd.DataFrame", mask: Mask) -> Any:
        labels = self.year.label[mask].astype(int)
        if self.kind == "by neighbours":
            return _neighbours(frame[mask], labels)
        context = TrainingContext("flights", "binary_classification", LABEL, tuple(frame))
        model = train(frame[mask].assign(**{LABEL: labels}), context)
        return lambda given: np.asarray(model.predict_proba(given)[:, 1])


def _neighbours(frame: "pd.DataFrame", labels: Any) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    numbers = [name for name in frame if frame[name].dtype.kind == "f"]
    middle, spread = frame[numbers].mean(), frame[numbers].std()

    def scaled(given: "pd.DataFrame") -> Any:
        return ((given[numbers] - middle) / spread).fillna(0).to_numpy()

    model = KNeighborsClassifier(5, weights="distance").fit(scaled(frame), labels)
    return lambda given: np.clip(model.predict_proba(scaled(given))[:, 1], 0.01, 0.99)


def main() -> None:
    """Print the share of held candidates of each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=40, help="candidates of each kind")
    parser.add_argument("--kinds", nargs="*", default=KINDS)
    given = parser.parse_args()
    started, year = time.process_time(), Year.read(GATE.every_nth_day)
    past = [Draw(year, "ordinary", 1000 + seed).run()[1].numbers for seed in range(3)]
    print("| candidate | passed | held at once | with history | losses of champion, candidate | improvement | named |")
    print("|---|---|---|---|---|---|---|")
    for kind in given.kinds:
        found = [Draw(year, kind, seed).run(past) for seed in range(given.draws)]
        show(kind, [one[1:] for one in found if one[0] == PASS], given.draws)
    print(f"\n{time.process_time() - started:.0f} s of CPU")


def show(kind: str, passed: Sequence[tuple[Plausibility, Plausibility, str | None]], draws: int) -> None:
    """Print a kind's row: relative losses are means, the improvement is the range over the passed candidates."""
    alone, later = (sum(bool(one[place].reasons) for one in passed) for place in (0, 1))
    names = ("champion_relative_loss", "candidate_relative_loss", "relative_improvement")
    numbers: Any = {name: [one[0].numbers[name] for one in passed] or [0.0] for name in names}
    old, new = (float(np.mean(numbers[name])) for name in names[:2])
    gains = f"{min(numbers[names[2]]):.1%} to {max(numbers[names[2]]):.1%}"
    named = dict(Counter(column for *_, column in passed if column))
    print(
        f"| {kind} | {len(passed)} of {draws} | {alone} | {later} | {old:.3f}, {new:.3f} | {gains} | {named} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
