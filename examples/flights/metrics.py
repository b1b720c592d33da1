"""Custom metrics of the flights example: each computes one number from a window's rows."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def expected_late(frame: "pd.DataFrame") -> float:
    """Return the share of flights that the model expects to be late."""
    return float(frame.score.mean())
