"""In whatever order rows, labels, corrections, feedback and deletions arrive: one set, and one set of metrics."""

import random
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.improvement import TrainingPolicy
from modelops_pipelines.core.tables.lake import QUALITY_METRICS
from modelops_pipelines.operations.improve.training.sets import build_training_set
from modelops_pipelines.operations.metrics.quality import measure_quality
from tests.worlds.labelled_year import STREAMS, Captured, capture, captured, make_labelled

DAYS = 16
ORDERS = 6
"""Orders of this path in CI; the rule itself is tested at ten thousand."""
POLICY = TrainingPolicy(feedback="corrected", conflict="majority", duplicates="drop")


def outcome(folder: Path, year: Captured, parts: int, order: tuple[str, ...]) -> tuple[Any, ...]:
    """Return the sets' names and all metrics after everything has arrived."""
    project = make_labelled(folder / "project", POLICY)
    stores = project.stores
    capture(project, year, parts, order)
    measure_quality(stores, project.spec)
    sets = [
        build_training_set(stores, replace(project.spec, training=policy)).content_hash
        for policy in (POLICY, TrainingPolicy())
    ]
    with stores.lake.query("cancer", [QUALITY_METRICS]) as connected:
        metrics = connected.sql("FROM quality_metrics ORDER BY ALL").fetchall()
    stores.database.close()
    return (*sets, metrics)


def shuffled(seed: int) -> Captured:
    year, chance = captured(DAYS), random.Random(seed)
    for stream in (*STREAMS, "accepted"):
        chance.shuffle(getattr(year, stream))
    return year


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    return outcome(tmp_path_factory.mktemp("expected"), captured(DAYS), 1, STREAMS)


@pytest.mark.parametrize("seed", range(ORDERS))
def test_every_order_of_arrival_gives_the_same_set_and_the_same_metrics(
    expected: tuple[Any, ...], tmp_path: Path, seed: int
) -> None:
    order = list(permutations(STREAMS))[seed % 6]
    assert len(expected[-1])
    assert expected == outcome(tmp_path, shuffled(seed), 1 + seed % 4, order)
