"""What is wrong with an endpoint's gate, and how to put it right. Paths only."""

from collections.abc import Iterator

from modelops_pipelines.core.endpoints.issues import Issue
from modelops_pipelines.core.evaluation.gate import GateConfig

LEAST, MOST = 0.5, 0.999
_RANGES: dict[str, tuple[float, float | None, str]] = {
    "every_nth_day": (2, 28, "Write which days are kept for evaluation, such as 5 for every fifth"),
    "min_days": (2, None, "Write how many evaluation days a verdict takes, such as 10"),
    "min_rows": (1, None, "Write how many labelled rows a verdict takes, such as 1000"),
    "margin": (0, 1, "Write a share of the champion's loss, such as 0.01"),
    "min_regimes": (1, None, "Write in how many regimes a candidate must be seen, such as 2"),
    "regime_days": (1, 366, "Write how many calendar days a regime has, such as 28"),
    "regime_min_days": (2, None, "Write how many evaluation days judge a regime or a slice, such as 3"),
    "regime_min_rows": (1, None, "Write how many labelled rows judge a regime, such as 200"),
    "max_slices": (0, 1000, "Write how many slices are judged at most, such as 50"),
    "slice_min_rows": (1, None, "Write how many labelled rows judge a slice, such as 200"),
    "slice_tolerance": (0, 1, "Write a share of the champion's loss, such as 0.01"),
    "max_odds_ratio": (1, None, "Write how far off the odds of the mean score may be, such as 4"),
    "max_time_ratio": (1, None, "Write how many times the champion's time a candidate may take, such as 5"),
    "time_floor_ms": (0, None, "Write the milliseconds a row up to which nothing is too slow, such as 1"),
    "max_size_ratio": (1, None, "Write how many times the champion's size a candidate may have, such as 10"),
    "size_floor_mib": (0, None, "Write the MiB up to which nothing is too large, such as 200"),
    "confidence": (LEAST, MOST, "Write how sure a verdict has to be, such as 0.95"),
    "draws": (100, 100_000, "Write the number of bootstrap draws, such as 2000"),
    "seed": (0, None, "Write a whole number from 0, such as 7"),
}


def gate_issues(gate: GateConfig) -> Iterator[Issue]:
    """Yield all that is wrong with a gate's settings."""
    wrong = [issue for name in _RANGES for issue in _range_issues(name, getattr(gate, name))]
    yield from wrong
    held = 0 if wrong else (gate.regime_days - 1) // gate.every_nth_day + 1
    if gate.regime_min_days > held and not wrong:
        problem = f"is {gate.regime_min_days}, and a regime of {gate.regime_days} days has {held} evaluation days"
        yield Issue("gate.regime_min_days", problem, "Lower it, or raise 'gate.regime_days'")


def _range_issues(name: str, value: float) -> Iterator[Issue]:
    least, most, fix = _RANGES[name]
    if value < least or (most is not None and value > most):
        wanted = f"at least {least:g}" if most is None else f"from {least:g} to {most:g}"
        yield Issue(f"gate.{name}", f"must be {wanted}, and is {value:g}", fix)
