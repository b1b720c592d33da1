"""Models of a set's labels for the guards: small boosted trees, each row judged by models that did not have it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.improve.guards.results import SEED

Floats = NDArray[np.float64]
FOLDS, ROUNDS, LEAVES = 3, 40, 15
LEAST_OF_LEAF, LEAST_OF_CLASS = 40, 2 * FOLDS


def cross_fitted(features: Floats, classes: NDArray[np.int64], count: int) -> Floats:
    """Return each row's probabilities of the classes (rows x ``count``) by a model of the other two folds' rows."""
    found = np.zeros((len(classes), count))
    folds = np.random.default_rng(SEED).integers(0, FOLDS, len(classes))
    for fold in range(FOLDS):
        held = folds == fold
        found[held] = probabilities(features[~held], classes[~held], features[held], count)
    return found


def probabilities(known: Floats, classes: NDArray[np.int64], asked: Floats, count: int) -> Floats:
    """Return the probabilities of the classes (rows x ``count``) by a model of the known rows."""
    found = np.zeros((len(asked), count))
    present = np.unique(classes)
    if len(present) == 1 or not known.shape[1]:
        found[:, present] = np.bincount(classes, minlength=count)[present] / len(classes)
        return found
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(**_settings(len(classes))).fit(known, classes)
    found[:, model.classes_] = model.predict_proba(asked)
    return found


def cross_fitted_numbers(features: Floats, numbers: Floats) -> Floats:
    """Return each row's number by a model of the other two folds' rows."""
    found = np.zeros(len(numbers))
    folds = np.random.default_rng(SEED).integers(0, FOLDS, len(numbers))
    for fold in range(FOLDS):
        held = folds == fold
        found[held] = regressed(features[~held], numbers[~held], features[held])
    return found


def regressed(known: Floats, numbers: Floats, asked: Floats) -> Floats:
    """Return the numbers that a model of the known rows says."""
    if not known.shape[1]:
        return np.full(len(asked), float(np.median(numbers)))
    from sklearn.ensemble import HistGradientBoostingRegressor

    return np.asarray(HistGradientBoostingRegressor(**_settings(len(numbers))).fit(known, numbers).predict(asked))


def _settings(rows: int) -> dict[str, Any]:
    least = min(LEAST_OF_LEAF, max(5, rows // 50))
    shape = {"max_iter": ROUNDS, "max_leaf_nodes": LEAVES, "min_samples_leaf": least}
    return {**shape, "early_stopping": False, "random_state": 0}
