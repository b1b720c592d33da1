"""A bad model for the demo of a rollback: valid and fast, but trained on inverted labels."""

from typing import TYPE_CHECKING

from sklearn.base import BaseEstimator, clone

from examples.flights.trainer import training_data

if TYPE_CHECKING:
    import pandas as pd

    from modelops_pipelines import TrainingContext


def make_bad(estimator: BaseEstimator, frame: "pd.DataFrame", context: "TrainingContext") -> BaseEstimator:
    """Fit a clone of ``estimator`` on inverted labels, as if ``on_time`` had been read as ``late``."""
    inputs, label = training_data(frame, context)
    return clone(estimator).fit(inputs, 1 - label)
