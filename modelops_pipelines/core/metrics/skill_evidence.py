"""Whether labels show that scores are worse than always answering the base rate, or only happen to look so.

With eight positives in a thousand, the Brier skill of the true probabilities is below 0 on a third of ordinary days.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelops_pipelines.core.metrics.score_histogram import Floats

FEWEST = 20
"""Labels of either class that a verdict on Brier skill needs."""
Z = 3.0
"""Standard errors between the skill and the upper end of its interval: one in 700, one-sided."""


@dataclass(frozen=True)
class SkillEvidence:
    """Labels of either class, and the upper end of the interval of the Brier skill; None where it is undefined."""

    positives: int
    negatives: int
    upper: float | None

    @property
    def lack(self) -> str | None:
        """Why there is no verdict, or None."""
        fewest = min(self.positives, self.negatives)
        if fewest >= FEWEST and self.upper is not None:
            return None
        return f"{self.positives} positive and {self.negatives} negative labels; a verdict needs {FEWEST} of each"


def skill_evidence(scores: Floats, positive: npt.NDArray[np.bool_]) -> SkillEvidence:
    """Return the evidence of scores (0 .. 1) and whether each label is positive, both of shape (n,)."""
    n, positives = len(scores), int(positive.sum())
    if not 0 < positives < n:
        return SkillEvidence(positives, n - positives, None)
    base = positives / n
    gains = (positive - base) ** 2 - (positive - scores) ** 2
    error = float(np.std(gains, ddof=1)) / math.sqrt(n)
    return SkillEvidence(positives, n - positives, (float(np.mean(gains)) + Z * error) / (base * (1 - base)))
