"""A project whose champion was trained on earlier rows, and whose log has labelled rows that tests may poison."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes.records import label_row, request_record, write_segment
from tests.support.project import CANCER_YAML, Project, make_project

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
DAYS, ROWS_A_DAY, BEFORE = 20, 100, 2000
YAML = CANCER_YAML + "  label_horizon: 1h\n"


@dataclass(frozen=True, eq=False)
class Said:
    """The log's rows of a day: features, the truth, and what the champion answered; and what is said of them."""

    frame: pd.DataFrame
    answers: list[str]
    rng: np.random.Generator

    @property
    def truth(self) -> list[str]:
        return self.frame["benign"].astype(str).tolist()


Poison = Callable[[Said], list[str | None]]
"""Returns the label of each row, None for those that nobody labels."""


def honest(said: Said) -> list[str | None]:
    return [*said.truth]


def world(rows: int, seed: int, level: float = 0.0) -> pd.DataFrame:
    """Return rows: two numbers, and the label that follows from them with chance."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, rows))
    p = 1 / (1 + np.exp(-(level + 2.5 * first - 1.5 * second)))
    return pd.DataFrame({"first": first, "second": second, "benign": (rng.random(rows) < p).astype(int)})


def make_guarded(
    folder: Path, poison: Poison = honest, yaml: str = YAML, before: pd.DataFrame | None = None
) -> Project:
    """Make the project: a champion of BEFORE rows, and DAYS days of the log with the labels that the poison gives."""
    project = make_project(folder, yaml)
    stores, spec = project.stores, project.spec
    frame = world(BEFORE, 1) if before is None else before
    deploy(stores, spec, trainers.train_first(stores, spec, frame).version, actor="ann", reason="first")
    rng, requests, labels = np.random.default_rng(2), [], []
    for day in range(DAYS):
        rows = world(ROWS_A_DAY, 100 + day, 0.3)
        score = 1 / (1 + np.exp(-(2.5 * rows["first"] - 1.5 * rows["second"])))
        answers = [str(int(one >= 0.5)) for one in score]
        at = FIRST + timedelta(days=day)
        features: dict[str, Any] = {name: rows[name].tolist() for name in ("first", "second")}
        for name in frame.columns.difference(["first", "second", "benign", "event_time"]):
            features[name] = rng.normal(size=len(rows)).tolist()
        record = request_record("cancer", day, at, len(rows), f=features, p=answers, s=score.tolist())
        said = poison(Said(rows, answers, rng))
        given = [label_row(record, row, one, at) for row, one in enumerate(said) if one is not None]
        requests.append(record)
        labels.append({"rows": given})
    for stream, lines in (("predictions", requests), ("labels", labels)):
        write_segment(stores, "cancer", stream, "w", lines)
        ingest(stores, spec, stream)
    return project
