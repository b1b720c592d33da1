"""Weights of training rows, by the policy of an endpoint: all have a mean of 1."""

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]
LEAST_PROPENSITY = 0.05
"""The share of the mean propensity below which no row's is taken: one row stands for 20 at most."""


def balanced(labels: NDArray[np.str_] | NDArray[np.object_]) -> Weights:
    """Return weights with which every class has the same sum: n / (classes * rows of the class)."""
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return _normalised((len(labels) / (len(counts) * counts))[places])


def by_age(seconds: Weights, half_life: timedelta) -> Weights:
    """Return weights that halve with each half-life before the newest row.

    ``seconds`` are event times; NaN, of a row without one, is as old as the oldest.
    """
    if np.isnan(seconds).all():
        return np.ones(len(seconds))
    known = np.where(np.isnan(seconds), np.nanmin(seconds), seconds)
    return _normalised(0.5 ** ((known.max() - known) / half_life.total_seconds()))


def by_propensity(propensity: Weights) -> Weights:
    """Return weights that undo the selection of who is labelled: 1 / propensity (Horvitz and Thompson, 1952).

    ``propensity`` is the probability that such a row is labelled; NaN, of a row that was not selected, weighs 1.
    """
    selected = ~np.isnan(propensity)
    weights = np.ones(len(propensity))
    if selected.any():
        known = propensity[selected]
        weights[selected] = _normalised(1 / np.maximum(known, LEAST_PROPENSITY * known.mean()))
    return weights


def _normalised(weights: Weights) -> Weights:
    return np.asarray(weights / weights.mean(), np.float64)
