"""The trainer gets the weights that the endpoint's policy asks for, beside the frame and in its order."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.endpoints.improvement import TrainingPolicy
from modelops_pipelines.core.improve.training.context import TrainingContext
from modelops_pipelines.operations.improve.retraining.train import train_first
from modelops_pipelines.operations.improve.training.sets import build_training_set, read_training_set
from modelops_pipelines.operations.improve.training.weights import weights_of
from tests.fakes.trainers import logistic
from tests.support.project import Project, cancer_frame, make_project
from tests.worlds.labelled_year import capture, captured, make_labelled


@pytest.fixture
def year(tmp_path: Path) -> Iterator[Project]:
    made = make_labelled(tmp_path / "year")
    capture(made, captured(40))
    yield made
    made.stores.database.close()


def test_a_trainer_gets_the_weights_in_the_order_of_its_frame(tmp_path: Path) -> None:
    project, seen = make_project(tmp_path / "project"), []

    def trainer(frame: Any, context: TrainingContext) -> Any:
        seen.append((frame["benign"].to_numpy(), context.weights))
        return logistic(frame, context)

    for policy in (TrainingPolicy(), TrainingPolicy(weights="balance")):
        train_first(project.stores, replace(project.spec, training=policy), cancer_frame(), trainer)
    (_, without), (labels, weights) = seen
    assert without is None
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum())
    project.stores.database.close()


@pytest.mark.parametrize("weighting", ["age", "propensity"])
def test_rows_of_the_log_are_weighted(year: Project, weighting: str) -> None:
    spec = replace(year.spec, training=TrainingPolicy(weights=weighting, half_life=timedelta(days=5)))
    rows = read_training_set(year.stores, build_training_set(year.stores, spec))
    weights = weights_of(year.stores, spec, rows)
    assert weights is not None
    assert (len(rows), 1) == (len(weights), pytest.approx(weights.mean()))
    assert np.array_equal(weights, weights_of(year.stores, spec, rows))
    if weighting == "age":
        assert weights[-1] == weights.max()
