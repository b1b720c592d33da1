"""Exact contributions by the models' own libraries: TreeSHAP of boosted trees, and coefficients of linear models.

Trees: the libraries' own TreeSHAP (Lundberg et al. 2020, From local explanations to global understanding with
explainable AI for trees), which needs no reference rows. Linear models: coefficient times the distance from the mean of
the reference rows, on the scale of the link. Nothing is imported that the model did not bring.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.endpoints.explain import LINEAR, TREE
from modelops_pipelines.core.explanations.explained import LOG, LOG_ODDS, MARGIN, PREDICTION

_NUMBERS = frozenset(
    {
        "LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "LassoLars", "LassoLarsCV", "ElasticNet",
        "ElasticNetCV", "BayesianRidge", "ARDRegression", "HuberRegressor", "QuantileRegressor", "SGDRegressor",
        "TheilSenRegressor", "LinearSVR",
    }
)  # fmt: skip
_LINEAR: Mapping[str, str] = {
    **dict.fromkeys(_NUMBERS, PREDICTION),
    **dict.fromkeys(("LogisticRegression", "LogisticRegressionCV"), LOG_ODDS),
    **dict.fromkeys(("PoissonRegressor", "GammaRegressor"), LOG),
}
"""Linear estimators of scikit-learn by the scale on which they are linear."""
_COLUMNWISE = frozenset({"StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "SimpleImputer", "str"})
"""Steps of a pipeline after which each column is still what it was made of (``str``: 'passthrough')."""
_XGBOOST: Mapping[str, str] = {
    **dict.fromkeys(("binary:logistic", "reg:logistic"), LOG_ODDS),
    **dict.fromkeys(
        ("reg:squarederror", "reg:linear", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror"), PREDICTION
    ),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie"), LOG),
}
_LIGHTGBM: Mapping[str, str] = {
    **dict.fromkeys(("binary sigmoid:1", "cross_entropy"), LOG_ODDS),
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), PREDICTION),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), LOG),
}
_CATBOOST: Mapping[str, str] = {
    **dict.fromkeys(("Logloss", "CrossEntropy"), LOG_ODDS),
    **dict.fromkeys(("RMSE", "MAE", "Quantile", "MAPE", "Huber", "Expectile"), PREDICTION),
    **dict.fromkeys(("Poisson", "Tweedie"), LOG),
}
"""Objectives by the scale on which trees add up; others have the scale of the library's own margin."""


NO_REFERENCE = "there are no reference rows of this version yet"
"""Why a linear model is unfit until it has some."""
_OURS = __name__.partition(".")[0]


@dataclass(frozen=True)
class Exact:
    """Contributions of shape (rows, outputs, columns + 1), the base value last, and what they are made by and of.

    A binary classifier has one output, of its second class, and a regression one; others one for each class.
    """

    values: NDArray[np.float64]
    method: str
    scale: str


@dataclass(frozen=True)
class Unfit:
    """Why a model has no exact contributions."""

    why: str


def explain_exactly(raw: Any, given: Any, reference: Any | None) -> Exact | Unfit:
    """Return the contributions of a library's model for rows as the model gets them.

    ``reference`` are the reference rows in the same form, None without any; only linear models need them.
    """
    library = type(raw).__module__.partition(".")[0]
    explain = {"xgboost": _xgboost, "lightgbm": _lightgbm, "catboost": _catboost}.get(library)
    if explain is not None:
        return explain(raw, given)
    if library == "sklearn":
        return _linear(raw, given, reference)
    if library == _OURS:
        return Unfit("it answers in an environment of its own, which is asked for answers only")
    return Unfit(f"its model is of {library}, which has no exact contributions")


def _xgboost(raw: Any, given: Any) -> Exact | Unfit:
    import xgboost

    is_booster = isinstance(raw, xgboost.Booster)
    booster = raw if is_booster else raw.get_booster()
    options = {} if is_booster else {"missing": raw.missing, "enable_categorical": raw.enable_categorical}
    best = None if is_booster else getattr(raw, "best_iteration", None)  # as the estimator itself answers
    limits = (0, 0) if best is None else (0, int(best) + 1)
    matrix = xgboost.DMatrix(given, **options)
    values = booster.predict(matrix, pred_contribs=True, strict_shape=True, iteration_range=limits)
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    return Exact(np.asarray(values, np.float64), TREE, _XGBOOST.get(objective, MARGIN))


def _lightgbm(raw: Any, given: Any) -> Exact | Unfit:
    booster = getattr(raw, "booster_", raw)
    values = np.asarray(booster.predict(given, pred_contrib=True), np.float64)
    outputs = booster.num_model_per_iteration()
    objective = str(booster.dump_model(num_iteration=1).get("objective", ""))
    return Exact(values.reshape(len(values), outputs, -1), TREE, _LIGHTGBM.get(objective, MARGIN))


def _catboost(raw: Any, given: Any) -> Exact | Unfit:
    import catboost

    pool = catboost.Pool(
        given, cat_features=raw.get_cat_feature_indices(), text_features=raw.get_text_feature_indices()
    )
    values = np.asarray(raw.get_feature_importance(pool, type="ShapValues"), np.float64)
    objective = str((raw.get_all_params() or {}).get("loss_function", "")).partition(":")[0]
    return Exact(values.reshape(len(values), -1, values.shape[-1]), TREE, _CATBOOST.get(objective, MARGIN))


def _linear(raw: Any, given: Any, reference: Any | None) -> Exact | Unfit:
    """Return coefficient times the distance from the reference's mean, of a linear model after column-wise steps."""
    steps = [step for _, step in getattr(raw, "steps", [("", raw)])]
    name = type(steps[-1]).__name__
    others = sorted({type(step).__name__ for step in steps[:-1]} - _COLUMNWISE)
    if name not in _LINEAR or others:
        shown = name if not others else ", ".join(others)
        return Unfit(f"its scikit-learn model has {shown}, which is not linear in its columns")
    if reference is None:
        return Unfit(NO_REFERENCE)
    transform: Callable[[Any], Any] = raw[:-1].transform if len(steps) > 1 else lambda rows: rows
    rows, means = np.asarray(transform(given), float), np.asarray(transform(reference), float).mean(axis=0)
    weights = np.atleast_2d(np.asarray(steps[-1].coef_, float))
    start = np.broadcast_to(np.asarray(steps[-1].intercept_, float).ravel(), (len(weights),))
    if rows.shape[1] != weights.shape[1]:
        return Unfit(f"its scikit-learn {name} has columns that its steps add or drop")
    parts = weights[None] * (rows - means)[:, None, :]
    bases = np.broadcast_to((start + weights @ means)[None, :, None], (len(rows), len(weights), 1))
    scale = MARGIN if len(weights) > 1 and _LINEAR[name] != PREDICTION else _LINEAR[name]
    return Exact(np.concatenate([parts, bases], axis=2), LINEAR, scale)
