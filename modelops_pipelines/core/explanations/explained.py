"""The explanation of one prediction: what each column adds to a base value, or why there is none."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any

import orjson

LOG_ODDS, PROBABILITY, PREDICTION, LOG, MARGIN = "log-odds", "probability", "prediction", "log", "margin"
"""What contributions add up to: log-odds or probability of a class, the predicted number or its logarithm, or the
value from which the library makes its answer."""
AGREEMENT = 1e-3
"""The largest difference of an explained value from the answer that was given, relative to the answer's size."""
FEWEST_LOGGED = 100
"""Answered rows of a version that was not trained here before some of them are its reference rows."""
_LARGEST = 700.0
"""Beyond this ``exp`` overflows."""


@dataclass(frozen=True)
class Explanation:
    """One row's explanation, or the ``reason`` why it has none; then all else is None.

    ``contributions`` are by column: ``base_value`` plus all of them is ``value``, on the ``scale``. ``of_class`` is the
    class whose probability, log-odds or margin that is. ``errors`` are standard errors, None where a method is exact.
    """

    reason: str | None = None
    method: str | None = None
    scale: str | None = None
    of_class: str | None = None
    value: float | None = None
    base_value: float | None = None
    contributions: Mapping[str, float] | None = None
    errors: Mapping[str, float] | None = None


def total_of(base: float, contributions: Sequence[float]) -> float:
    """Return what base value and contributions add up to."""
    return base + float(sum(contributions))


def agrees_with(scale: str, total: float, answered: float | None) -> bool:
    """Return whether an explained value is that of the answer given: a class's probability, or a number.

    Scales without a known relation to the answer agree with any.
    """
    if answered is None or scale == MARGIN:
        return True
    bounded = max(-_LARGEST, min(_LARGEST, total))
    shown = {LOG_ODDS: 1 / (1 + exp(-bounded)), LOG: exp(bounded)}.get(scale, total)
    return abs(shown - answered) <= AGREEMENT * max(1.0, abs(answered))


def seed_of(version: str, row: Mapping[str, Any]) -> int:
    """Return the seed of a row's orders: the same row of the same version is always explained by the same orders."""
    content = orjson.dumps([version, dict(row)], option=orjson.OPT_SORT_KEYS | orjson.OPT_NAIVE_UTC)
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big")
