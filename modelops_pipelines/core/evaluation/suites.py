"""Test suites: what a case expects, whether a prediction meets it, and what changed between two runs."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from modelops_pipelines.core.models.predictions import Answer

CASE, EXPECTED, TOLERANCE, SCORE_MIN, SCORE_MAX = "case", "expected", "tolerance", "score_min", "score_max"
EXPECTATIONS = (EXPECTED, TOLERANCE, SCORE_MIN, SCORE_MAX)
RESERVED = frozenset((CASE, *EXPECTATIONS))
FIXED: Final = "fixed"
BROKEN: Final = "broken"
STILL: Final = "still failing"
PASSED = "passed"

Difference = Literal["fixed", "broken", "still failing"]


@dataclass(frozen=True)
class Case:
    """One stored input with the expected prediction.

    ``expected`` alone is the class; with a ``tolerance`` it is a number: a regression's prediction, or the score.
    """

    name: str
    features: Mapping[str, Any]
    expected: str | float | None = None
    tolerance: float | None = None
    score_min: float | None = None
    score_max: float | None = None


@dataclass(frozen=True)
class Answered:
    """A version's prediction for one case; ``error`` if it failed."""

    prediction: Answer | None
    score: float | None
    error: str | None = None

    def __str__(self) -> str:
        """Return the prediction for display."""
        if self.error is not None:
            return f"error: {self.error}"
        shown = f"{self.prediction:.6g}" if isinstance(self.prediction, float) else str(self.prediction)
        return shown if self.score is None else f"{shown} (score {self.score:.6g})"


def inputs_hash(cases: Iterable[Case]) -> str:
    """Return SHA-256 of the cases' content; their order, and how a number was written, do not matter."""
    content = [asdict(case) for case in sorted(cases, key=lambda case: case.name)]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def expectation(case: Case, task: str) -> str:
    """Describe what a case expects."""
    parts = []
    if case.expected is not None:
        number = "" if case.tolerance is None else f" ± {case.tolerance:.6g}"
        value = f"{case.expected:.6g}" if isinstance(case.expected, float) else case.expected
        parts.append(f"{_subject(case, task)}{value}{number}")
    if case.score_min is not None:
        parts.append(f"score >= {case.score_min:.6g}")
    if case.score_max is not None:
        parts.append(f"score <= {case.score_max:.6g}")
    return ", ".join(parts)


def passes(case: Case, answered: Answered, task: str) -> bool:
    """Return whether a prediction meets the case's expectation; NaN is outside all bounds."""
    if answered.error is not None:
        return False
    judged = answered.prediction if task == "regression" else answered.score
    return (
        _as_expected(case, answered.prediction, judged)
        and (case.score_min is None or (answered.score is not None and answered.score >= case.score_min))
        and (case.score_max is None or (answered.score is not None and answered.score <= case.score_max))
    )


def failures(cases: Sequence[Case], answers: Sequence[Answered], task: str) -> list[dict[str, str]]:
    """Return the cases that failed: case, expected, answered."""
    return [
        {CASE: case.name, EXPECTED: expectation(case, task), "answered": str(answered)}
        for case, answered in zip(cases, answers, strict=True)
        if not passes(case, answered, task)
    ]


def differences(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the cases that failed in either of two runs of the same cases, with the change of each."""
    before, after = ({str(one[CASE]): one for one in run} for run in (first, second))
    return [_difference(name, before.get(name), after.get(name)) for name in sorted({*before, *after})]


def _difference(name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, str]:
    known = before or after or {}
    what: Difference = FIXED if after is None else BROKEN if before is None else STILL
    shown = [PASSED if one is None else str(one["answered"]) for one in (before, after)]
    return {CASE: name, "change": what, EXPECTED: str(known[EXPECTED]), "first": shown[0], "second": shown[1]}


def _subject(case: Case, task: str) -> str:
    return "score " if case.tolerance is not None and task != "regression" else ""


def _as_expected(case: Case, prediction: Answer | None, judged: Answer | None) -> bool:
    if case.expected is None:
        return True
    if case.tolerance is None:
        return case.expected == prediction
    return (
        isinstance(judged, float) and isinstance(case.expected, float) and abs(judged - case.expected) <= case.tolerance
    )
