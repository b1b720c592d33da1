"""What disqualifies a candidate whatever its losses: answers that are none, a mean far off, too slow, too large."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.evaluation.gate import GateConfig

Floats = NDArray[np.float64]
STANDARD_DEVIATIONS = 3
"""How far from the count that the scores announce the positives must lie before their odds are compared."""
_SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class Answered:
    """What a version answered on the evaluation rows, and what that costs.

    ``losses`` and ``values`` have one item a row; a value is the score, the number or the class. ``fault`` says why
    there are none that could be compared. A cost of None was not measured.
    """

    losses: Floats
    values: NDArray[Any]
    fault: str | None = None
    ms_a_row: float | None = None
    size_mib: float | None = None


@dataclass
class Checked:
    """What was found: faults in words, and every number by its name."""

    faults: list[str] = field(default_factory=list)
    numbers: dict[str, float | int | None] = field(default_factory=dict)
    not_finite: bool = False


def check_candidate(champion: Answered, candidate: Answered, positives: Floats | None, config: GateConfig) -> Checked:
    """Hold the candidate's answers and costs against what is sane.

    ``positives`` is 1 where the label is the positive class and 0 elsewhere, None where the values are no scores.
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
        wrong = ~np.isfinite(version.values) if numeric else np.zeros(len(version.values), bool)
        answers, losses = int(wrong.sum()), int((~np.isfinite(version.losses)).sum())
        found.numbers[f"{name}_not_finite"] = max(answers, losses)
        if answers or losses:
            found.not_finite = True
            of = f"{answers} answers and {losses} losses of {len(version.losses)}"
            found.faults.append(f"the {name} has {of} that are no finite number")


def _check_variety(champion: Answered, candidate: Answered, found: Checked) -> None:
    distinct = {"champion": len(np.unique(champion.values)), "candidate": len(np.unique(candidate.values))}
    found.numbers |= {f"{name}_distinct_answers": count for name, count in distinct.items()}
    if distinct["candidate"] == 1 < distinct["champion"]:
        found.faults.append(
            f"the candidate answers {candidate.values[0]} to all {len(candidate.values)} rows, "
            f"where the champion has {distinct['champion']} answers"
        )


def _check_mean(champion: Answered, candidate: Answered, positives: Floats, config: GateConfig, found: Checked) -> None:
    """Compare the mean score with the share of positives, by odds, unless chance explains the difference."""
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
            f"the candidate's mean score {mean:.4f} is {ratio:.1f} times off the odds of the share of positives "
            f"{base:.4f}, of {config.max_odds_ratio:g} allowed"
        )


def _logit(share: float) -> float:
    share = min(max(share, _SMALLEST), 1 - _SMALLEST)
    return log(share / (1 - share))


def _check_costs(champion: Answered, candidate: Answered, config: GateConfig, found: Checked) -> None:
    costs: Mapping[str, tuple[float | None, float | None, float, float, str]] = {
        "ms_a_row": (champion.ms_a_row, candidate.ms_a_row, config.max_time_ratio, config.time_floor_ms, "ms a row"),
        "mib": (champion.size_mib, candidate.size_mib, config.max_size_ratio, config.size_floor_mib, "MiB of files"),
    }
    for name, (old, new, ratio, floor, unit) in costs.items():
        found.numbers |= {f"champion_{name}": old, f"candidate_{name}": new}
        if old is not None and new is not None and new > floor and new > ratio * old:
            found.faults.append(
                f"the candidate takes {new:.4g} {unit} and the champion {old:.4g}: more than {ratio:g} times as much, "
                f"and above {floor:g}"
            )
