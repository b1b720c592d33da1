"""An endpoint that has ten working days of two ordinary hours behind it, for tests of what is judged by its past."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import DriftPolicy, EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import DRIFT
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.drift.data_quality import check_data_quality
from modelops_pipelines.operations.drift.detect import detect_drift
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import Project, make_project

HOUR = timedelta(hours=1)
MONDAY = (START - timedelta(days=START.weekday())).replace(hour=10)
DAYS = [day for day in range(14) if day % 7 < 5]
ROWS = 600


def make_two_weeks(folder: Path) -> Project:
    """Make the project; tests use copies of it."""
    made = make_project(folder)
    rules = (AlertRule("drift"), AlertRule("data_quality"))
    made.spec = replace(made.spec, drift=DriftPolicy(minimum=500), alerts=rules)
    made.stores.deployments.record_version(VERSION)
    for day in DAYS:
        for hour in (0, 1):
            send(made, MONDAY + timedelta(days=day) + hour * HOUR, rows=1200 if day + hour == 0 else ROWS)
    derive(made)
    return made


def send(project: Project, at: Any, rows: int = ROWS, *, shift: float = 0.0, word: str = "a", spec: Any = None) -> None:
    """Answer requests of one row a second apart: x is as tall as the hour of the day makes it, plus a shift."""
    draw = np.random.default_rng(int(at.timestamp()))
    x = draw.normal(at.hour / 50 + draw.normal(0, 0.02) + shift, 1, rows)
    c = draw.choice([word, "b"], rows, p=[0.7, 0.3])
    scores = (1 / (1 + np.exp(-x))).tolist()
    records = [
        request_record(
            "cancer",
            int(at.timestamp()) + n,
            at + timedelta(seconds=n),
            1,
            f={"x": [x[n]], "c": [str(c[n])]},
            s=[scores[n]],
        )
        for n in range(rows)
    ]
    write_segment(project.stores, "cancer", "predictions", f"w{int(at.timestamp())}", records)
    ingest(project.stores, spec or project.spec, "predictions")


def derive(project: Project) -> tuple[Any, ...]:
    for step in (profile_windows, check_data_quality):
        step(project.stores, project.spec)
    return detect_drift(project.stores, project.spec).windows


def stored(project: Project, table: Table) -> list[dict[str, Any]]:
    with project.stores.lake.query("cancer", [table]) as connected:
        rows: list[dict[str, Any]] = connected.table(table.name).to_arrow_table().to_pylist()
    return sorted(rows, key=lambda row: [str(row[name]) for name in table.key])


def of_column(project: Project, column: str, at: Any) -> dict[str, Any]:
    [row] = [row for row in stored(project, DRIFT) if (row["column"], row["window_start"]) == (column, at)]
    return row


def killed_while_writing(project: Project, run: Callable[[Stores, EndpointSpec], object]) -> None:
    """Run a step that is killed when it is about to write its rows."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(project.stores.writer), "replace_windows", killed)
        with pytest.raises(KeyboardInterrupt):
            run(project.stores, project.spec)
