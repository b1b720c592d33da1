"""A trainer and a metric of the user's that repeat what they are given when they fail."""

from typing import Any


def train(frame: Any, _context: Any) -> Any:
    """Fail with values of the training rows."""
    try:
        return float(frame["c"].iloc[-1])
    except ValueError as error:
        raise RuntimeError(f"Found strange rows {frame.tail(3).to_dict()} in the data") from error


def measure(rows: Any) -> float:
    """Fail with a value of the window's rows, as pandas words it."""
    return float(rows["c"].astype(float).mean())
