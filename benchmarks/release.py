"""Whether the gate decides well, on the real year of flights: promotion policies, and poisoned candidates.

``python -m benchmarks.release [--draws 100]``. At the start of every month from February to December each policy may
change the model that serves the month; the log-loss is that of all flights of the month.

- *never*: January's model, always.
- *last month*, *all past*: a model of last month or of all past, promoted unseen. They train on every day.
- *ours*: a candidate of all past without the evaluation days, promoted when ``core.comparison.judge`` passes it against
  the champion on the evaluation days so far, with the default settings. Slices are origins and carriers. January is
  given as a user's first frame, whole, and split by ``operations.training_sets``.
- ours with other margins, and without any gate.

A poisoned candidate is trained, at a random month from April on, on 6,000 random flights of the past. *Complaints*:
only those that the champion got wrong, with the truth, as people who complain tell it. *Flipped*: from 30 to 100 % of
the labels turned round.
"""

import argparse
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.release_year import Model, Year
from modelops_pipelines.core.evaluation.gate import PASS, GateConfig, GateResult

MONTHS = range(2, 13)
GATE = GateConfig()
MARGINS = (0.0, 0.005, 0.02)
POISONED_ROWS = 6_000
FIRST_POISONED = 4
LEAST_FLIPPED, EVEN = 0.3, 0.5


@dataclass(eq=False)
class Policy:
    """Who serves each month under a policy, the loss, and what the gate said at its start."""

    serving: dict[int, Model] = field(default_factory=dict)
    losses: dict[int, float] = field(default_factory=dict)
    verdicts: dict[int, GateResult] = field(default_factory=dict)

    def serve(self, year: Year, month: int, model: Model) -> None:
        """Let a model serve a month."""
        self.serving[month], self.losses[month] = model, year.loss(model, month)

    def whole(self, year: Year) -> float:
        """Return the loss of February to December, weighted by flights."""
        return float(np.average([self.losses[m] for m in MONTHS], weights=[(year.month == m).sum() for m in MONTHS]))

    @property
    def promoted(self) -> list[int]:
        """The months at whose start a candidate passed."""
        return [month for month, verdict in self.verdicts.items() if verdict.verdict == PASS]

    def worse_than(self, never: "Policy") -> list[int]:
        """Return the months from the first promotion on with a higher loss than another policy's."""
        months = [month for month in MONTHS if self.promoted and month >= self.promoted[0]]
        return [month for month in months if self.losses[month] > never.losses[month]]


def main() -> None:
    """Print both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=100, help="poisoned candidates of each kind")
    given = parser.parse_args()
    started = time.process_time()
    year = Year.read(GATE.every_nth_day)
    poison(year, policies(year), given.draws)
    print(f"\n{time.process_time() - started:.0f} s of CPU")


def policies(year: Year) -> Policy:
    """Print what each policy comes to; return ours."""
    first, candidates = year.fit(year.before(2)), {m: year.fit(year.before(m) & ~year.evaluation) for m in MONTHS}
    unseen = {"never": Policy(), "last month": Policy(), "all past": Policy(), "ours, no gate": Policy()}
    for month in MONTHS:
        unseen["never"].serve(year, month, first)
        unseen["last month"].serve(year, month, year.fit(year.before(month, month - 1)))
        unseen["all past"].serve(year, month, year.fit(year.before(month)))
        unseen["ours, no gate"].serve(year, month, candidates[month])
    for model in candidates.values():
        _ = model.all_scores  # asked for again and again
    ours = gated(year, candidates[2], candidates, GATE)
    others = {
        f"margin {margin:g}": gated(year, candidates[2], candidates, replace(GATE, margin=margin)) for margin in MARGINS
    }
    show_months(year, unseen, ours)
    show_goals(year, unseen, {"ours": ours, **others})
    return ours


def gated(year: Year, first: Model, candidates: Mapping[int, Model], config: GateConfig) -> Policy:
    """Follow our policy over the year."""
    policy, champion = Policy(), first
    for month in MONTHS:
        seen = year.before(month) & year.evaluation
        policy.verdicts[month] = year.judge(champion, candidates[month], seen, config)
        champion = candidates[month] if policy.verdicts[month].verdict == PASS else champion
        policy.serve(year, month, champion)
    return policy


def show_months(year: Year, unseen: Mapping[str, Policy], ours: Policy) -> None:
    """Print a row a month, and the year."""
    shown = {**unseen, "ours": ours}
    print(f"| month | {' | '.join(shown)} | verdict |\n{'|---' * (len(shown) + 2)}|")
    for month in MONTHS:
        losses = " | ".join(f"{policy.losses[month]:.4f}" for policy in shown.values())
        print(f"| {month} | {losses} | {ours.verdicts[month].verdict}: {ours.verdicts[month].reason} |")
    print(f"| year | {' | '.join(f'{policy.whole(year):.4f}' for policy in shown.values())} | |\n")


def show_goals(year: Year, unseen: Mapping[str, Policy], variants: Mapping[str, Policy]) -> None:
    """Print how ours and its variants hold against the best policy and against never retraining."""
    best = min(policy.whole(year) for policy in unseen.values())
    print("| policy | loss | against the best (goal: at most +0.5 %) | promotions | worse than never (goal: none) |")
    print("|---|---|---|---|---|")
    for name, policy in {**variants, "no gate": unseen["ours, no gate"]}.items():
        whole, worse = policy.whole(year), policy.worse_than(unseen["never"])
        print(f"| {name} | {whole:.4f} | {whole / best - 1:+.2%} | {policy.promoted} | {worse} |", flush=True)


def poison(year: Year, ours: Policy, draws: int) -> None:
    """Print how many poisoned candidates the gate refuses, and how close the nearest came."""
    for kind in ("complaints", "flipped"):
        results = [_poisoned(year, ours, kind, seed) for seed in range(draws)]
        verdicts = Counter(result.verdict for result in results)
        best = max(result.improvement or 0.0 for result in results)
        refused = draws - verdicts[PASS]
        print(f"{kind}: refused {refused} of {draws}, {dict(verdicts)}, best improvement {best:.4f}", flush=True)


def _poisoned(year: Year, ours: Policy, kind: str, seed: int) -> GateResult:
    """Return the verdict on one poisoned candidate."""
    rng = np.random.default_rng(seed)
    month = int(rng.integers(FIRST_POISONED, 13))
    champion, labels = ours.serving[month - 1], year.label
    known, seen = year.before(month) & ~year.evaluation, year.before(month) & year.evaluation
    if kind == "complaints":
        known = known & ((champion.all_scores > EVEN) != (labels == 1))
    else:
        labels = np.where(rng.random(len(labels)) < rng.uniform(LEAST_FLIPPED, 1), 1 - labels, labels)
    chosen = np.zeros(len(known), bool)
    chosen[rng.choice(np.flatnonzero(known), min(POISONED_ROWS, int(known.sum())), replace=False)] = True
    return year.judge(champion, year.fit(chosen, labels), seen, GATE)


if __name__ == "__main__":
    main()
