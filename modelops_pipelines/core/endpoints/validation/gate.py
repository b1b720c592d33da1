"""Validate an endpoint's gate: issues by path, each with its fix."""

from collections.abc import Iterator

from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.issues import Issue
from modelops_pipelines.core.endpoints.spec import Promotion
from modelops_pipelines.core.evaluation.gate import GateConfig

LEAST, MOST = 0.5, 0.999
_RANGES: dict[str, tuple[float, float | None, str]] = {
    "every_nth_day": (2, 28, "Set which days are evaluation days, such as 5 for every fifth"),
    "min_days": (2, None, "Set the fewest evaluation days for a verdict, such as 10"),
    "min_rows": (1, None, "Set the fewest labelled rows for a verdict, such as 1000"),
    "margin": (0, 1, "Set a share of the champion's loss, such as 0.01"),
    "min_regimes": (1, None, "Set the fewest regimes with data for a verdict, such as 2"),
    "regime_days": (1, 366, "Set the calendar days of a regime, such as 28"),
    "regime_min_days": (2, None, "Set the fewest evaluation days of a judged regime or slice, such as 3"),
    "regime_min_rows": (1, None, "Set the fewest labelled rows of a judged regime, such as 200"),
    "max_slices": (0, 1000, "Set the most slices to judge, such as 50"),
    "slice_min_rows": (1, None, "Set the fewest labelled rows of a judged slice, such as 200"),
    "slice_tolerance": (0, 1, "Set a share of the champion's loss, such as 0.01"),
    "max_odds_ratio": (1, None, "Set the largest odds ratio of mean score and share of positives, such as 4"),
    "max_time_ratio": (1, None, "Set the largest ratio of prediction times, candidate to champion, such as 5"),
    "time_floor_ms": (0, None, "Set the milliseconds per row that are never too slow, such as 1"),
    "max_size_ratio": (1, None, "Set the largest ratio of model sizes, candidate to champion, such as 10"),
    "size_floor_mib": (0, None, "Set the MiB that are never too large, such as 200"),
    "confidence": (LEAST, MOST, "Set the confidence level, such as 0.95"),
    "draws": (100, 100_000, "Set the number of bootstrap draws, such as 2000"),
    "seed": (0, None, "Set a whole number from 0, such as 7"),
}


def gate_issues(gate: GateConfig) -> Iterator[Issue]:
    """Yield all issues of a gate's settings."""
    issues = [issue for name in _RANGES for issue in _range_issues(name, getattr(gate, name))]
    yield from issues
    days = 0 if issues else (gate.regime_days - 1) // gate.every_nth_day + 1
    if gate.regime_min_days > days and not issues:
        problem = f"is {gate.regime_min_days}, but a regime of {gate.regime_days} days has {days} evaluation days"
        yield Issue("gate.regime_min_days", problem, "Lower it, or raise 'gate.regime_days'")


def verdict_age_issues(gate: GateConfig, promotion: Promotion) -> Iterator[Issue]:
    """Yield the issue of a canary that takes longer than its verdict counts, so that it could never end."""
    soaks = promotion.soak * (len(promotion.steps) - 1)
    if soaks >= gate.max_age:
        problem = (
            f"is {format_duration(gate.max_age)}, but a canary soaks for {format_duration(soaks)} to its last step"
        )
        yield Issue("gate.max_age", problem, "Raise it, or lower 'promotion.soak'")


def _range_issues(name: str, value: float) -> Iterator[Issue]:
    least, most, fix = _RANGES[name]
    if value < least or (most is not None and value > most):
        wanted = f"at least {least:g}" if most is None else f"from {least:g} to {most:g}"
        yield Issue(f"gate.{name}", f"must be {wanted}, and is {value:g}", fix)
