"""Checks that fail a candidate whatever its losses: invalid predictions, a wrong mean score, too slow, too large."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.evaluation.gate import GateConfig

Floats = NDArray[np.float64]
STANDARD_DEVIATIONS = 3
"""Distance of the number of positives from the sum of scores beyond which their odds are compared."""
_SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class Answered:
    """A version's predictions on the evaluation rows, and their costs.

    ``losses`` and ``values`` have one item per row; a value is the score, the number or the class. ``fault`` says why
    there is nothing to compare. A cost of None was not measured.
    """

    losses: Floats
    values: NDArray[Any]
    fault: str | None = None
    ms_a_row: float | None = None
    size_mib: float | None = None


@dataclass
class Checked:
    """The result of the checks: descriptions of the faults, and every number by its name."""

    faults: list[str] = field(default_factory=list)
    numbers: dict[str, float | int | None] = field(default_factory=dict)
    not_finite: bool = False


def check_candidate(champion: Answered, candidate: Answered, positives: Floats | None, config: GateConfig) -> Checked:
    """Check the candidate's predictions and costs.

    ``positives`` is 1 for labels of the positive class, else 0; None when the values are not scores.
    """
    found = Checked()
    if candidate.fault is not None:
        found.faults.append(candidate.fault)
    elif len(candidate.losses):
        _check_finite(champion, candidate, found)
        _check_variety(champion, candidate, found)
        if positives is not None and not found.faults:
            _check_mean(champion, candidate, positives, config, found)
    _check_costs(champion, candidate, config, found)
    return found


def _check_finite(champion: Answered, candidate: Answered, found: Checked) -> None:
    for name, version in (("candidate", candidate), ("champion", champion)):
        numeric = version.values.dtype.kind in "fiub"
        invalid = ~np.isfinite(version.values) if numeric else np.zeros(len(version.values), bool)
        answers, losses = int(invalid.sum()), int((~np.isfinite(version.losses)).sum())
        found.numbers[f"{name}_not_finite"] = max(answers, losses)
        if answers or losses:
            found.not_finite = True
            counts = f"{answers} predictions and {losses} losses of {len(version.losses)} rows"
            found.faults.append(f"{counts} of the {name} are not finite")


def _check_variety(champion: Answered, candidate: Answered, found: Checked) -> None:
    distinct = {"champion": len(np.unique(champion.values)), "candidate": len(np.unique(candidate.values))}
    found.numbers |= {f"{name}_distinct_answers": count for name, count in distinct.items()}
    if distinct["candidate"] == 1 < distinct["champion"]:
        found.faults.append(
            f"the candidate predicts {candidate.values[0]} for all {len(candidate.values)} rows, "
            f"but the champion has {distinct['champion']} distinct predictions"
        )


def _check_mean(champion: Answered, candidate: Answered, positives: Floats, config: GateConfig, found: Checked) -> None:
    """Compare the odds of mean score and share of positives, if the difference is significant."""
    scores, rows = candidate.values.astype(np.float64), len(positives)
    base, mean = float(positives.mean()), float(scores.mean())
    ratio = exp(abs(_logit(mean) - _logit((float(positives.sum()) + 0.5) / (rows + 1))))
    found.numbers |= {
        "base_rate": base,
        "champion_mean_score": float(champion.values.astype(np.float64).mean()),
        "candidate_mean_score": mean,
        "odds_ratio": ratio,
    }
    by_chance = STANDARD_DEVIATIONS * sqrt(float((scores * (1 - scores)).sum()))
    if ratio > config.max_odds_ratio and abs(float(scores.sum() - positives.sum())) > by_chance:
        found.faults.append(
            f"the odds of the candidate's mean score {mean:.4f} and of the share of positives {base:.4f} differ by a "
            f"factor of {ratio:.1f} (limit {config.max_odds_ratio:g})"
        )


def _logit(share: float) -> float:
    share = min(max(share, _SMALLEST), 1 - _SMALLEST)
    return log(share / (1 - share))


def _check_costs(champion: Answered, candidate: Answered, config: GateConfig, found: Checked) -> None:
    costs: Mapping[str, tuple[float | None, float | None, float, float, str]] = {
        "ms_a_row": (champion.ms_a_row, candidate.ms_a_row, config.max_time_ratio, config.time_floor_ms, "ms per row"),
        "mib": (champion.size_mib, candidate.size_mib, config.max_size_ratio, config.size_floor_mib, "MiB of files"),
    }
    for name, (old, new, ratio, floor, unit) in costs.items():
        found.numbers |= {f"champion_{name}": old, f"candidate_{name}": new}
        if old is not None and new is not None and new > floor and new > ratio * old:
            found.faults.append(
                f"the candidate takes {new:.4g} {unit} and the champion {old:.4g}: more than {ratio:g} times as much, "
                f"and above the floor of {floor:g}"
            )
