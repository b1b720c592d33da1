"""The query that a section shows gives the rows that the section is made of, whatever their names."""

import shlex
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from modelops_pipelines.core.tables.lake import DRIFT, QUALITY_METRICS
from modelops_pipelines.operations.lake.queries import query_lake
from modelops_pipelines.operations.metrics.window_rows import segment_text, window_rows
from modelops_pipelines.operations.reports.health.selection import Selection
from modelops_pipelines.operations.reports.health.sources import sources_of
from modelops_pipelines.store.stores import Stores
from tests.fakes.lake_rows import write
from tests.fakes.records import START
from tests.support.project import Project, make_project

EVIL = 'it\'s "$(id)" `id` \\ !'
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("sources") / "project")
    write(made.stores, made.spec, QUALITY_METRICS, [row for n in range(5) for row in _quality(n)])
    verdict = {"column": "x", "kind": "numeric", "statistic": "psi", "n": 1, "n_reference": 1}
    versions = [
        {"window_start": START + n * HOUR, "model_version": v, **verdict} for n in range(5) for v in ("1", EVIL)
    ]
    write(made.stores, made.spec, DRIFT, versions)
    return made


def _quality(hour: int) -> list[dict[str, Any]]:
    row = {"window_start": START + hour * HOUR, "model_version": "1", "predictions": 1, "labelled": 1, "coverage": 1.0}
    row |= {"feedback": 0, "complaints": 0}
    return [
        row | {"segment": name, "segment_value": value} for name, value in (("all", ""), ("city", EVIL), (EVIL, "b"))
    ]


def _rows(project: Project, selection: Selection, name: str) -> list[dict[str, Any]]:
    """Return what the section's command prints, with its arguments taken apart as a shell does."""
    words = shlex.split(sources_of(project.stores, project.spec, selection)[name].command)
    assert ["modelops", "sql", "-e", "cancer"] == words[:4]
    [query] = words[4:]
    return query_lake(project.stores, query, "cancer")


@pytest.mark.parametrize(
    ("name", "selection"),
    [
        ("quality", Selection(3)),
        ("segments", Selection(3)),
        ("quality", Selection(2, segment=segment_text("city", EVIL))),
        ("quality", Selection(2, segment=segment_text(EVIL, "b"))),
        ("drift", Selection(2)),
        ("drift", Selection(2, version=EVIL)),
        ("drift", Selection(2, version="nobody")),
        ("estimated-quality", Selection(2)),
    ],
)
def test_the_query_gives_the_rows_of_the_section(project: Project, name: str, selection: Selection) -> None:
    shown = window_rows(
        project.stores, project.spec, name, selection.windows, version=selection.version, segment=selection.segment
    )
    found = _rows(project, selection, name)
    keys = ("window_start", "model_version", "segment", "segment_value", "column")
    assert sorted(str([row.get(key) for key in keys]) for row in shown) == sorted(
        str([row.get(key) for key in keys]) for row in found
    )
    assert found or selection.version == "nobody" or name == "estimated-quality"


@pytest.mark.parametrize(
    ("changes", "address"),
    [
        ({}, "http://127.0.0.1:3000/assets/cancer/drift"),
        ({"dagster_url": "https://dagster.example/"}, "https://dagster.example/assets/cancer/drift"),
        ({"public_url": "https://models.example"}, None),
        (
            {"public_url": "https://models.example", "dagster_url": "https://d.example"},
            "https://d.example/assets/cancer/drift",
        ),
    ],
)
def test_an_asset_is_linked_where_readers_can_reach_dagster(
    project: Project, changes: dict[str, str], address: str | None
) -> None:
    stores = Stores(replace(project.stores.settings, dagster_port=3000, **changes))
    [asset] = sources_of(stores, project.spec, Selection(7))["drift"].assets
    assert ("cancer/drift", address) == (asset.key, asset.address)
