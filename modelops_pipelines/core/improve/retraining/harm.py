"""Whether a drift does harm: a column that matters to the model drifted, and quality has fallen since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelops_pipelines.core.metrics.fall import Fall, Needed

MATTERS = 0.05
"""The importance (all columns: 1) from which a drifted column matters; one of unknown importance may matter."""

NEEDED = Needed(z=5.0)
"""A drift that lasts is judged every day for months: with 3 standard errors a third of harmless years retrain once,
with 5 one of 180 does (benchmarks/README.md)."""


@dataclass(frozen=True)
class Harm:
    """Whether a drift does harm, why, and all numbers."""

    harmful: bool
    why: str
    numbers: Mapping[str, Any]


def judge_harm(columns: Mapping[str, float | None], falls: Sequence[Fall]) -> Harm:
    """Judge a drift of these columns, with the importance of each.

    It does harm when one that matters drifted and quality fell, by the labels or by the estimate.
    """
    weighty = mattering(columns)
    numbers = {"columns": dict(columns), "falls": [fall.numbers() for fall in falls]}
    if not weighty:
        most = max((weight for weight in columns.values() if weight is not None), default=0.0)
        why = f"no drifted column matters (largest importance {most:.3f}, limit {MATTERS:g})"
        return Harm(harmful=False, why=why, numbers=numbers)
    worse = [fall for fall in falls if fall.fallen]
    named = ", ".join(f"{name} {'?' if weight is None else f'{weight:.2f}'}" for name, weight in weighty.items())
    if worse:
        why = f"drift of {named} (importance); {'; '.join(fall.why for fall in worse)}"
        return Harm(harmful=True, why=why, numbers=numbers)
    judged = "; ".join(fall.why for fall in falls) or "quality is not known"
    return Harm(harmful=False, why=f"quality has not fallen ({judged})", numbers=numbers)


def mattering(columns: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return the drifted columns that matter to the model, by importance; those of unknown importance are kept."""
    return {name: weight for name, weight in columns.items() if weight is None or weight >= MATTERS}
