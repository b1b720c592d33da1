"""A version that must not stay: well formed, quick to answer, and wrong. For the demo of a rollback only."""

from typing import TYPE_CHECKING

from sklearn.base import BaseEstimator, clone

from examples.flights.trainer import training_data

if TYPE_CHECKING:
    import pandas as pd

    from modelops_pipelines import TrainingContext


def make_bad(estimator: BaseEstimator, frame: "pd.DataFrame", context: "TrainingContext") -> BaseEstimator:
    """Fit ``estimator``'s twin on the label turned round, as if ``on_time`` were read for ``late``."""
    inputs, label = training_data(frame, context)
    return clone(estimator).fit(inputs, 1 - label)
