"""The type of a feature is fixed by what serves, served or is in the log; by no version that only exists."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.release.desired_state import variants_of
from modelops_pipelines.core.release.event_log import DEPLOY, ROLLBACK, WITHDRAW, Event
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.lake.endpoint_tables import check_inputs, feature_types, log_table
from modelops_pipelines.operations.release.commands import archive
from modelops_pipelines.operations.versions.known_version import known_version
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import Project, make_project

INT, FLOAT, TEXT = ({"x": kind} for kind in ("int", "float", "text"))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project whose version 1 takes an integer; nothing serves yet."""
    made = make_project(tmp_path / "project")
    _record(made, "1", INT)
    yield made
    made.stores.database.close()


def test_a_version_that_is_only_registered_fixes_no_type(project: Project) -> None:
    for inputs in (FLOAT, TEXT, INT):
        check_inputs(project.stores, project.spec, inputs)
    _record(project, "2", FLOAT)
    assert FLOAT == feature_types(project.stores, project.spec)
    known_version(project.stores, project.spec, "1")


def test_a_version_that_is_archived_and_never_served_fixes_no_type_and_can_be_archived(project: Project) -> None:
    _serve(project, "2", FLOAT)
    archive(project.stores, project.spec, "1", actor="ann", reason="of another type")
    check_inputs(project.stores, project.spec, FLOAT)
    with pytest.raises(SchemaError, match=r"x \(float before, int now\)"):
        known_version(project.stores, project.spec, "1")


@pytest.mark.parametrize("champion", [None, "2"])
def test_a_version_whose_deployment_was_reverted_fixes_no_type(project: Project, champion: str | None) -> None:
    if champion is not None:
        _serve(project, champion, {"y": "float"})
    _event(project, DEPLOY, "1")
    action, to = (WITHDRAW, "1") if champion is None else (ROLLBACK, champion)
    _event(project, action, to, {"automatic": True, "withdrawn": "1"})
    check_inputs(project.stores, project.spec, FLOAT)


@pytest.mark.parametrize("then", ["serves", "was replaced", "was withdrawn by a guard", "was rolled back"])
def test_a_version_that_serves_or_served_fixes_its_types(project: Project, then: str) -> None:
    _event(project, DEPLOY, "1")
    _record(project, "2", {"y": "float"})
    if then == "was replaced":
        _event(project, DEPLOY, "2")
    if then.startswith("was withdrawn"):
        _event(project, ROLLBACK, "2", {"automatic": True, "withdrawn": "1", "guard": "errors"})
    if then == "was rolled back":
        _event(project, ROLLBACK, "2", {"withdrawn": "1"})
    message = r"since a version of endpoint 'cancer' served: x \(int before, float now\)"
    with pytest.raises(SchemaError, match=message):
        check_inputs(project.stores, project.spec, FLOAT)
    _record(project, "3", FLOAT)
    assert {"x": "int", "y": "float"} == feature_types(project.stores, project.spec)
    with pytest.raises(SchemaError, match=message):
        known_version(project.stores, project.spec, "3")


def test_the_log_fixes_the_types_of_what_it_holds_and_of_nothing_else(project: Project) -> None:
    _record(project, "2", {"y": "float", "z": "text"})
    _ingest(project, {"x": [1, 2]})
    assert {"x"} == _columns(project) & {"x", "y", "z"}
    for inputs in ({"y": "text"}, {"z": "int"}, {"x": "int", "y": "bool"}):
        check_inputs(project.stores, project.spec, inputs)
    with pytest.raises(SchemaError, match=r"x \(int before, float now\)"):
        check_inputs(project.stores, project.spec, FLOAT)


def test_a_version_of_another_type_than_one_that_never_served_is_logged_and_read(project: Project) -> None:
    _record(project, "2", {"y": "int"})
    _ingest(project, {"x": [1, 2]})
    _serve(project, "3", {"y": "float", "z": "text"})
    _ingest(project, {"y": [0.5, None], "z": [None, "a"]})
    stores, spec = project.stores, project.spec
    with stores.lake.query("cancer", [log_table(stores, spec)]) as connected:
        rows = connected.sql("SELECT x, y, z FROM inference_log ORDER BY prediction_id").fetchall()
    assert sorted(map(str, rows)) == sorted(
        map(str, [(1, None, None), (2, None, None), (None, 0.5, None), (None, None, "a")])
    )


def _columns(project: Project) -> set[str]:
    delta = project.stores.lake.table("cancer", "inference_log")
    assert delta is not None
    return {field.name for field in delta.schema().fields}


def _ingest(project: Project, features: Mapping[str, list[Any]]) -> None:
    number = sum(1 for _ in (project.folder).rglob("*.parquet")) + 1
    record = request_record("cancer", number, START, 2, f=features)
    write_segment(project.stores, "cancer", "predictions", "w", [record], number)
    report = ingest(project.stores, project.spec, "predictions")
    assert (2, 0) == (report.rows, report.rejected)


def _record(project: Project, version: str, inputs: dict[str, str]) -> None:
    project.stores.deployments.record_version(replace(VERSION, version=version, inputs=inputs))


def _serve(project: Project, version: str, inputs: dict[str, str]) -> None:
    _record(project, version, inputs)
    _event(project, DEPLOY, version)


def _event(project: Project, action: str, to: str, evidence: Mapping[str, object] | None = None) -> None:
    stores = project.stores
    state = stores.deployments.desired("cancer")
    live = {"variants": [[one.version, one.role, one.share] for one in variants_of(to)], "status": "active"}
    parts = (0, "cancer", stores.now(), "ann", action, state.champion, to, state.generation, "test")
    stores.deployments.note(Event(*parts, {**(evidence or {}), "live": live}))
