"""Logistic regressions of a few coefficients, by Newton's steps; no fitted object, no library."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_STEPS, LARGEST_STEP, CONVERGED = 30, 1.0, 1e-6
LEAST, LARGEST_LOGIT = 1e-3, 30
"""A probability is taken as within LEAST of 0 and 1."""


def solved(design: Floats, outcome: Floats, offset: Floats, prior: float) -> Floats:
    """Return the coefficients of a logistic regression with a normal prior of precision ``prior``.

    ``design`` is rows x coefficients; ``outcome`` (0 to 1) and ``offset`` (logits) are as long as the rows.
    """
    found = np.zeros(design.shape[1])
    for _ in range(MOST_STEPS):
        at = offset + design @ found
        gradient = design.T @ (outcome - sigmoid(at)) - prior * found
        curvature = (design * variance(at)[:, None]).T @ design + prior * np.eye(len(found))
        change = np.linalg.solve(curvature, gradient)
        found = found + change * min(1.0, LARGEST_STEP / max(float(np.abs(change).max()), 1e-12))
        if float(np.abs(change).max()) < CONVERGED:
            break
    return found


def variance(of: Floats) -> Floats:
    """Return the variance of an outcome with these logits, at least 1e-9."""
    p = sigmoid(of)
    return np.asarray(np.maximum(p * (1 - p), 1e-9))


def sigmoid(of: Floats) -> Floats:
    """Return the probabilities of logits."""
    return np.asarray(1 / (1 + np.exp(-np.clip(of, -LARGEST_LOGIT, LARGEST_LOGIT))))


def logit(p: Floats) -> Floats:
    """Return the logits of probabilities."""
    clipped = np.clip(p, LEAST, 1 - LEAST)
    return np.asarray(np.log(clipped / (1 - clipped)))
