"""Train the flights example's classifier. ``data`` defines the features."""

from typing import TYPE_CHECKING, Final

import numpy as np
from pandas.api.types import is_numeric_dtype
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

if TYPE_CHECKING:
    import pandas as pd

    from modelops_pipelines import TrainingContext

TRUSTED_TYPES: Final = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)
"""The types that skops must trust to load such a model."""


def train(frame: "pd.DataFrame", context: "TrainingContext") -> Pipeline:
    """Fit boosted trees on the labelled rows; the result has ``predict_proba``."""
    inputs, label = training_data(frame, context)
    trees = HistGradientBoostingClassifier(early_stopping=False, random_state=context.seed)
    return encoded(inputs, trees).fit(inputs, label)


def training_data(frame: "pd.DataFrame", context: "TrainingContext") -> "tuple[pd.DataFrame, pd.Series]":
    """Return features and label of the labelled rows; numbers become floats, so that they may be missing."""
    known = frame[frame[context.label].notna()]
    inputs = known[list(context.features)]
    numbers = [name for name in inputs if is_numeric_dtype(inputs[name])]
    return inputs.astype(dict.fromkeys(numbers, "float64")), known[context.label].astype("int64")


def encoded(inputs: "pd.DataFrame", trees: BaseEstimator) -> Pipeline:
    """Return the trees behind an encoder of categories as codes; a category unseen in training counts as missing.

    The trees use the codes as plain numbers: ``categorical_features`` gains no accuracy here, and would require
    trust in ``functools.partial`` and in one of sklearn's functions.
    """
    numbers = [name for name in inputs if is_numeric_dtype(inputs[name])]
    categories = [name for name in inputs if name not in numbers]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    encode = ColumnTransformer([("codes", codes, categories), ("numbers", "passthrough", numbers)])
    return Pipeline([("encode", encode), ("trees", trees)])
