"""Train the regression of the minutes in the air, on the features of ``data``."""

from typing import TYPE_CHECKING

from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from examples.flights.trainer import encoded, training_data

if TYPE_CHECKING:
    import pandas as pd

    from modelops_pipelines import TrainingContext


def train(frame: "pd.DataFrame", context: "TrainingContext") -> Pipeline:
    """Fit boosted trees on the labelled rows; the result predicts minutes."""
    inputs, minutes = training_data(frame, context)
    trees = HistGradientBoostingRegressor(early_stopping=False, random_state=context.seed)
    return encoded(inputs, trees).fit(inputs, minutes)
