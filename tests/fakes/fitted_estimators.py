"""One small fitted estimator of each class of scikit-learn that may answer, with rows that it answers."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

ROWS = np.abs(np.random.default_rng(7).normal(size=(60, 4))) + 0.1
CLASSES = (ROWS[:, 0] > ROWS[:, 1]).astype(int)
NUMBERS = 2 * ROWS[:, 0] + 0.5
TEXTS = ["a good day", "a bad night"] * 30

_TEAM = [("one", Ridge()), ("two", Ridge(alpha=2))]
_JURY = [("one", LogisticRegression()), ("two", LogisticRegression(C=2))]
_STEPS = [("scale", MinMaxScaler()), ("log", make_pipeline(FunctionTransformer(np.log1p), StandardScaler()))]
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "CalibratedClassifierCV": {"estimator": RandomForestClassifier(5)},
    "ClassifierChain": {"estimator": LogisticRegression()},
    "ColumnTransformer": {"transformers": [("scale", StandardScaler(), [0, 1])], "remainder": "passthrough"},
    "FeatureHasher": {"n_features": 8, "input_type": "string"},
    "FeatureUnion": {"transformer_list": _STEPS},
    "FixedThresholdClassifier": {"estimator": LogisticRegression()},
    "FunctionTransformer": {"func": np.log1p, "inverse_func": np.expm1},
    "GaussianRandomProjection": {"n_components": 2},
    "LocalOutlierFactor": {"novelty": True},
    "Pipeline": {"steps": [*_STEPS, ("answer", LogisticRegression())]},
    "SparseCoder": {"dictionary": np.eye(4)},
    **{name: {"estimator": Ridge()} for name in ("MultiOutputRegressor", "RFE", "RFECV", "RegressorChain")},
    **{name: {"estimator": Ridge()} for name in ("SelectFromModel", "SequentialFeatureSelector")},
    **{name: {"estimator": LogisticRegression()} for name in ("MultiOutputClassifier", "OneVsOneClassifier")},
    **{name: {"estimator": LogisticRegression()} for name in ("OneVsRestClassifier", "SelfTrainingClassifier")},
    **{name: {"estimators": _JURY} for name in ("StackingClassifier", "VotingClassifier")},
    **{name: {"estimators": _TEAM} for name in ("StackingRegressor", "VotingRegressor")},
}
_SMALL = {"n_estimators": 3, "n_features": 16}
_TARGETS = (CLASSES, NUMBERS, np.c_[CLASSES, 1 - CLASSES])

_NESTS: dict[str, Callable[[Any], Any]] = {
    "in a pipeline": lambda inner: make_pipeline(inner, Ridge()),
    "in a pipeline in a pipeline": lambda inner: make_pipeline(make_pipeline(inner), Ridge()),
    "in columns": lambda inner: ColumnTransformer([("texts", inner, 0)]),
    "calibrated": lambda inner: CalibratedClassifierCV(make_pipeline(inner, LogisticRegression()), cv=2),
}


def class_of(path: str) -> Any:
    """Return a class by module and name."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


@cache
def fitted(path: str) -> tuple[Any, Any]:
    """Return a fitted estimator of a class, and rows that it answers."""
    kind = class_of(path)
    if kind.__name__ == "FrozenEstimator":
        return kind(LogisticRegression().fit(ROWS, CLASSES)), ROWS
    made = kind(**_ARGUMENTS.get(kind.__name__, {}))
    made.set_params(**{name: small for name, small in _SMALL.items() if name in made.get_params(deep=False)})
    if kind.__name__.endswith("Vectorizer"):
        return made.fit(TEXTS), TEXTS
    if kind.__name__ == "FeatureHasher":
        return made, [text.split() for text in TEXTS]
    rows = ROWS[:, 0] if kind.__name__ == "IsotonicRegression" else ROWS
    for target in _TARGETS:
        try:
            return made.fit(rows, target), rows
        except (ValueError, TypeError, IndexError):
            continue
    raise AssertionError(path)


def nested(inner: Any, where: str) -> Any:
    """Return an estimator with an unfitted one inside, at one of ``NESTS``."""
    return _NESTS[where](inner)


NESTS = tuple(_NESTS)


def answer(estimator: Any, rows: Any) -> Any:
    """Return what an estimator answers: its prediction, or what it makes of the rows."""
    return (estimator.predict if hasattr(estimator, "predict") else estimator.transform)(rows)
