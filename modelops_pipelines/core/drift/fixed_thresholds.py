"""Drift verdicts by fixed thresholds: profiles in, ``ColumnVerdict`` out.

The distances: ``core/drift/distances.py``. The other methods return the same ``ColumnVerdict``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelops_pipelines.core.drift.distances import (
    Statistic,
    jensen_shannon,
    missing_share,
    missing_shift,
    wasserstein,
    words_by_chance,
)
from modelops_pipelines.core.profiles.profile import Kind, Profile


@dataclass(frozen=True)
class ColumnVerdict:
    """The verdict on one column.

    ``drifted`` is None with too little data, and ``reason`` says what is missing; it also says why a column drifted.
    ``n`` counts rows; ``missing`` is the share of them that are null or infinite.
    """

    column: str
    kind: Kind
    statistic: str
    value: float | None
    threshold: float
    drifted: bool | None
    n: int
    n_reference: int
    missing: float | None
    missing_reference: float | None
    reason: str | None


@dataclass(frozen=True)
class _Limits:
    minimum: int
    numeric: float
    categorical: float
    missing: float


def judge_fixed(
    current: Mapping[str, Profile],
    reference: Mapping[str, Profile],
    *,
    minimum: int = 500,
    numeric_threshold: float = 0.1,
    categorical_threshold: float = 0.1,
    missing_threshold: float = 0.05,
) -> list[ColumnVerdict]:
    """Judge every column of either side, by name: ``wasserstein``, or ``jensen_shannon`` if not numeric.

    A column drifted when its statistic reaches its threshold, or its missing share changed by more than
    ``missing_threshold``. For text, ``words_by_chance`` is added to the threshold, because words are many and rare.
    With under ``minimum`` rows on a side nothing is judged; with under ``minimum`` values only the missing share is.
    Raises SchemaError for a column with two bins.
    """
    limits = _Limits(minimum, numeric_threshold, categorical_threshold, missing_threshold)
    kinds = sorted((name, either.bins.kind) for name, either in {**current, **reference}.items())
    return [_judge(name, kind, current.get(name), reference.get(name), limits) for name, kind in kinds]


def share_drifted(verdicts: Sequence[ColumnVerdict]) -> float | None:
    """Share of the judged columns that drifted, 0 .. 1; None when none could be judged."""
    judged = [verdict.drifted for verdict in verdicts if verdict.drifted is not None]
    return sum(judged) / len(judged) if judged else None


def _judge(name: str, kind: Kind, current: Profile | None, reference: Profile | None, limits: _Limits) -> ColumnVerdict:
    threshold = limits.numeric if kind == "numeric" else limits.categorical
    statistic = wasserstein if kind == "numeric" else jensen_shannon
    if current and reference:
        found = statistic(current, reference)
        if kind == "text" and found.value is not None:
            threshold = math.sqrt(threshold**2 + words_by_chance(current, reference))
        drifted, reason = _decide(current, reference, found, threshold, limits)
    else:
        found = Statistic(None, f"missing in the {'reference' if current else 'window'}")
        drifted, reason = None, found.reason
    return ColumnVerdict(
        column=name,
        kind=kind,
        statistic=statistic.__name__,
        value=found.value,
        threshold=threshold,
        drifted=drifted,
        n=current.n if current else 0,
        n_reference=reference.n if reference else 0,
        missing=missing_share(current),
        missing_reference=missing_share(reference),
        reason=reason,
    )


def _decide(
    current: Profile, reference: Profile, found: Statistic, threshold: float, limits: _Limits
) -> tuple[bool | None, str | None]:
    """Return whether the column drifted, and the reason; the missing share is first because it needs no values."""
    few = f"each side needs {limits.minimum}"
    if min(current.n, reference.n) < limits.minimum:
        return None, f"{current.n} rows against {reference.n} of the reference: {few}"
    shift = missing_shift(current, reference).value or 0.0
    if abs(shift) > limits.missing:
        return True, f"the missing share changed by {shift:+.4g}, more than {limits.missing:g}"
    if found.value is None:
        return None, found.reason
    if min(current.present, reference.present) < limits.minimum:
        return None, f"{current.present} values against {reference.present} of the reference: {few}"
    if found.value >= threshold:
        return True, f"the distance {found.value:.4g} reaches {threshold:g}"
    return False, None
