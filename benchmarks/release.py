"""Quality of the gate's decisions on the real year of flights: promotion policies, and poisoned candidates.

``python -m benchmarks.release [--draws 100]``. At the start of every month from February to December each policy may
change the model that serves the month; the log-loss is that of all flights of the month.

- *never*: January's model for the whole year.
- *last month*, *all past*: a model of last month or of all past days, promoted without a gate; trained on every day.
- *ours*: a candidate of all past days except the evaluation days, promoted when it passes the gate
  (``core.evaluation.paired_comparison``, default settings) against the champion on the evaluation days so far. Slices
  are origins and carriers. January is given whole as the first frame; ``operations.improve.training.sets`` splits it.
- ours with other margins, and without a gate.

A poisoned candidate is trained, at a random month from April on, on 6,000 random past flights. *Complaints*: only those
that the champion predicted wrongly, with true labels, as if labels came only from complaints. *Flipped*: with 30 to
100 % of the labels inverted.
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
    """The model that serves each month under a policy, its loss, and the gate's verdict at the month's start."""

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
    """Print the loss of each policy; return ours."""
    first, candidates = year.fit(year.before(2)), {m: year.fit(year.before(m) & ~year.evaluation) for m in MONTHS}
    ungated = {"never": Policy(), "last month": Policy(), "all past": Policy(), "ours, no gate": Policy()}
    for month in MONTHS:
        ungated["never"].serve(year, month, first)
        ungated["last month"].serve(year, month, year.fit(year.before(month, month - 1)))
        ungated["all past"].serve(year, month, year.fit(year.before(month)))
        ungated["ours, no gate"].serve(year, month, candidates[month])
    for model in candidates.values():
        _ = model.all_scores  # cached: used many times
    ours = gated(year, candidates[2], candidates, GATE)
    others = {
        f"margin {margin:g}": gated(year, candidates[2], candidates, replace(GATE, margin=margin)) for margin in MARGINS
    }
    show_months(year, ungated, ours)
    show_goals(year, ungated, {"ours": ours, **others})
    return ours


def gated(year: Year, first: Model, candidates: Mapping[int, Model], config: GateConfig) -> Policy:
    """Follow our policy over the year."""
    policy, champion = Policy(), first
    for month in MONTHS:
        judged = year.before(month) & year.evaluation
        policy.verdicts[month] = year.judge(champion, candidates[month], judged, config)
        champion = candidates[month] if policy.verdicts[month].verdict == PASS else champion
        policy.serve(year, month, champion)
    return policy


def show_months(year: Year, ungated: Mapping[str, Policy], ours: Policy) -> None:
    """Print one row per month, and the year."""
    shown = {**ungated, "ours": ours}
    print(f"| month | {' | '.join(shown)} | verdict |\n{'|---' * (len(shown) + 2)}|")
    for month in MONTHS:
        losses = " | ".join(f"{policy.losses[month]:.4f}" for policy in shown.values())
        print(f"| {month} | {losses} | {ours.verdicts[month].verdict}: {ours.verdicts[month].reason} |")
    print(f"| year | {' | '.join(f'{policy.whole(year):.4f}' for policy in shown.values())} | |\n")


def show_goals(year: Year, ungated: Mapping[str, Policy], variants: Mapping[str, Policy]) -> None:
    """Print ours and its variants compared with the best policy and with never retraining."""
    best = min(policy.whole(year) for policy in ungated.values())
    print(
        "| policy | loss | compared with the best (goal: at most +0.5 %) | promotions | worse than never (goal: none) |"
    )
    print("|---|---|---|---|---|")
    for name, policy in {**variants, "no gate": ungated["ours, no gate"]}.items():
        whole, worse = policy.whole(year), policy.worse_than(ungated["never"])
        print(f"| {name} | {whole:.4f} | {whole / best - 1:+.2%} | {policy.promoted} | {worse} |", flush=True)


def poison(year: Year, ours: Policy, draws: int) -> None:
    """Print how many poisoned candidates fail the gate, and the best improvement among them."""
    for kind in ("complaints", "flipped"):
        results = [_poisoned(year, ours, kind, seed) for seed in range(draws)]
        verdicts = Counter(result.verdict for result in results)
        best = max(result.improvement or 0.0 for result in results)
        refused = draws - verdicts[PASS]
        print(
            f"{kind}: {refused} of {draws} failed the gate, {dict(verdicts)}, best improvement {best:.4f}", flush=True
        )


def _poisoned(year: Year, ours: Policy, kind: str, seed: int) -> GateResult:
    """Return the verdict on one poisoned candidate."""
    rng = np.random.default_rng(seed)
    month = int(rng.integers(FIRST_POISONED, 13))
    champion, labels = ours.serving[month - 1], year.label
    known, judged = year.before(month) & ~year.evaluation, year.before(month) & year.evaluation
    if kind == "complaints":
        known = known & ((champion.all_scores > EVEN) != (labels == 1))
    else:
        labels = np.where(rng.random(len(labels)) < rng.uniform(LEAST_FLIPPED, 1), 1 - labels, labels)
    chosen = np.zeros(len(known), bool)
    chosen[rng.choice(np.flatnonzero(known), min(POISONED_ROWS, int(known.sum())), replace=False)] = True
    return year.judge(champion, year.fit(chosen, labels), judged, GATE)


if __name__ == "__main__":
    main()
