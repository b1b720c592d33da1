"""Logs of predictions that others made: an endpoint that is served elsewhere, rows, and files of them in every form."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modelops_pipelines.core.capture.elsewhere.mapping import LogMapping
from modelops_pipelines.operations.capture.elsewhere.import_log import ImportedLog, import_log
from modelops_pipelines.operations.capture.elsewhere.sources import SourceOptions
from modelops_pipelines.operations.lake.endpoint_tables import stream_table
from tests.support.project import Project

YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: fraud
  served: elsewhere
  task: binary_classification
  label: is_fraud
  classes: [ok, fraud]
  positive_label: fraud
  window: day
  drift: {minimum: 100}
  retention: {predictions: never}
"""
MAPPING = LogMapping(
    id=("call",),
    time="asked_at",
    version="model",
    user="who",
    prediction="said",
    score="chance",
    latency_ms="took",
    label="truth",
    labelled_at="known_at",
)
NAMES = ("call", "asked_at", "model", "who", "said", "chance", "took", "truth", "known_at", "amount", "country")
START = datetime(2024, 3, 1, tzinfo=UTC)
Row = dict[str, Any]


def rows_of_days(days: int, a_day: int = 4, *, start: datetime = START) -> list[Row]:
    """Return rows of some days, of two versions; the second half has other amounts. The same at every call."""
    rows = []
    for number in range(days * a_day):
        day, of_day = divmod(number, a_day)
        chance = (number * 37 % 101) / 101
        asked = start + timedelta(days=day, minutes=of_day * 7)
        rows.append(
            {
                "call": f"call-{number}",
                "asked_at": asked.isoformat(),
                "model": "blue/v1" if day < days // 2 else "green v2",
                "who": f"user-{number % 5}",
                "said": "fraud" if chance > 0.5 else "ok",
                "chance": chance,
                "took": 1.5 + number % 3,
                "truth": ("fraud" if number * 53 % 97 / 97 < chance else "ok") if number % 2 else None,
                "known_at": (asked + timedelta(hours=3)).isoformat() if number % 2 else None,
                "amount": 100.0 + number % 17 + (400 if day >= days - 5 else 0),
                "country": ("de", "fr", "it")[number % 3],
            }
        )
    return rows


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows as CSV."""
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, NAMES)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows as Parquet, times as times."""
    timed = [
        {
            name: datetime.fromisoformat(value) if name.endswith("_at") and value else value
            for name, value in row.items()
        }
        for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(timed), path)
    return path


def write_lines(path: Path, records: Sequence[Any]) -> Path:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


def imported(
    project: Project, *sources: Path | str, mapping: LogMapping = MAPPING, options: SourceOptions | None = None
) -> ImportedLog:
    """Import sources into the project's endpoint."""
    given = [str(one) for one in sources]
    return import_log(project.stores, project.spec, given, mapping, options or SourceOptions())


def with_yaml(project: Project, **changes: Any) -> Project:
    """Return the project with another configuration of its endpoint."""
    return replace(project, spec=replace(project.spec, **changes))


def stored(project: Project, stream: str = "predictions") -> list[Row]:
    """Return the rows of a stream's table in order, without when and in which commit they came."""
    table = stream_table(project.stores, project.spec, stream)
    key = table.key[0]
    with project.stores.lake.query(project.spec.name, [table]) as connected:
        rows = connected.table(table.name).to_arrow_table().to_pylist()
    passing = {"received_at", "segment"}
    return sorted(({n: v for n, v in row.items() if n not in passing} for row in rows), key=lambda row: row[key])
