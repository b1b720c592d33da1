"""OpenLineage events: made of what is recorded, right by the client's own classes, sent once, in order, and again."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import attr
import pyarrow as pa
import pytest
from openlineage.client import event_v2, facet_v2

from modelops_pipelines.core.errors import SettingsError
from modelops_pipelines.core.tables.training import frozen_table
from modelops_pipelines.operations.improve.lineage.send_events import API_KEY, LineageSender, send_lineage
from modelops_pipelines.store.filesystem.appended_lines import append_line
from modelops_pipelines.store.settings import load_settings
from tests.fakes.lineage_world import NOW, insert, origin, serve, write_gate, write_set, write_version
from tests.support.lineage_files import written
from tests.support.project import Project, make_project
from tests.support.receiver import receiving

FACETS = {
    "version": facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet,
    "schema": facet_v2.schema_dataset.SchemaDatasetFacet,
    "columnLineage": facet_v2.column_lineage_dataset.ColumnLineageDatasetFacet,
    "symlinks": facet_v2.symlinks_dataset.SymlinksDatasetFacet,
    "dataQualityAssertions": facet_v2.data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet,
    "outputStatistics": facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    "jobType": facet_v2.job_type_job.JobTypeJobFacet,
    "errorMessage": facet_v2.error_message_run.ErrorMessageRunFacet,
}
"""The client's class of each standard facet."""


def made(folder: Path, place: str, **more: str) -> Project:
    """Return a project with one set, a version trained on it after a failed attempt, judged and deployed."""
    project = make_project(folder, MODELOPS_OPENLINEAGE=place, MODELOPS_OPENLINEAGE_PRIVATE="true", **more)
    stores, spec = project.stores, project.spec
    write_set(stores, spec, "a" * 64, [origin("p-0", 0, "label", source_id="l1")], at=NOW, base="b" * 64)
    frozen = pa.table({"row_id": ["p-0"], "event_time": [NOW], "x": [1.0], "benign": ["1"], "position": [0]})
    stores.writer.write_whole(spec.name, frozen_table("a" * 64), frozen)
    check = {"blocking": True, "message": "fine", "numbers": {}, "at": NOW}
    insert(stores, "set_checks", endpoint="cancer", content_hash="a" * 64, guard="share", passed=True, **check)
    run = {"content_hash": "a" * 64, "candidate": "trainer", "started_at": NOW, "ended_at": NOW, "endpoint": "cancer"}
    insert(stores, "training_runs", **run, attempt=1, status="failed", failure="out of memory", message="secret 4711")
    write_version(stores, spec, "1", "a" * 64, trained_here=True)
    write_gate(stores, spec, "1", None)
    serve(stores, spec, "1", "ann")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    one = made(tmp_path / "project", "lineage.jsonl")
    yield one
    one.stores.database.close()


def test_each_step_is_told_once_in_order_with_its_start_and_its_end(project: Project) -> None:
    assert 10 == send_lineage(project.stores)
    assert 0 == send_lineage(project.stores)
    told = [(one["job"]["name"], one["eventType"]) for one in written(project)]
    assert [
        ("cancer.training_set", "START"),
        ("cancer.training_set", "COMPLETE"),
        ("cancer.candidate", "START"),
        ("cancer.candidate", "COMPLETE"),
        ("cancer.candidate", "START"),
        ("cancer.candidate", "FAIL"),
        ("cancer.evaluation", "START"),
        ("cancer.evaluation", "COMPLETE"),
        ("cancer.deploy", "START"),
        ("cancer.deploy", "COMPLETE"),
    ] == told
    serve(project.stores, project.spec, "1", "bob", action="rollback")
    assert 2 == send_lineage(project.stores)
    assert "cancer.rollback" == written(project)[-1]["job"]["name"]


def test_the_events_are_those_of_the_specification(project: Project) -> None:
    send_lineage(project.stores)
    for event in written(project):
        read = event_v2.RunEvent(
            eventType=event_v2.RunState[event["eventType"]],
            eventTime=event["eventTime"],
            producer=event["producer"],
            run=event_v2.Run(event["run"]["runId"], event["run"]["facets"]),
            job=event_v2.Job(**event["job"]),
            inputs=[event_v2.InputDataset(**one) for one in event["inputs"]],
            outputs=[event_v2.OutputDataset(**one) for one in event["outputs"]],
        )
        assert read.schemaURL == event["schemaURL"]
        assert set(event) == {one.name for one in attr.fields(event_v2.RunEvent)}
        for name, facet in facets_of(event):
            kind = FACETS.get(name)
            assert re.fullmatch(r"https://\S+", facet["_producer"])
            if kind is None:
                assert name.startswith("modelops_")
                continue
            values = {key: value for key, value in facet.items() if not key.startswith("_")}
            assert kind(**values)._get_schema() == facet["_schemaURL"], name


def facets_of(event: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    sets = [*event["inputs"], *event["outputs"]]
    holders = [event["run"], event["job"], *sets]
    for one in (*(one["facets"] for one in holders), *(one.get("inputFacets", {}) for one in sets)):
        yield from one.items()
    for one in (one.get("outputFacets", {}) for one in sets):
        yield from one.items()


def test_the_set_s_event_names_the_tables_versions_and_where_each_column_came_from(project: Project) -> None:
    send_lineage(project.stores)
    event = next(one for one in written(project) if one["eventType"] == "COMPLETE")
    read = {one["name"]: one["facets"]["version"]["datasetVersion"] for one in event["inputs"]}
    log = {"cancer.inference_log": "7", "cancer.labels": "3", "cancer.feedback": "2"}
    assert log | {"cancer.training_set": "b" * 64} == read
    [output] = event["outputs"]
    assert "a" * 64 == output["facets"]["version"]["datasetVersion"]
    assert ["row_id", "event_time", "x", "benign"] == [one["name"] for one in output["facets"]["schema"]["fields"]]
    sources = {
        name: [(one["namespace"], one["name"], one["field"]) for one in field["inputFields"]]
        for name, field in output["facets"]["columnLineage"]["fields"].items()
    }
    assert [("modelops", "cancer.inference_log", "x")] == sources["x"]
    assert [
        ("modelops", "cancer.labels", "label"),
        ("modelops", "cancer.feedback", "corrected_label"),
    ] == sources["benign"]
    assert {"rowCount": 1} == {k: v for k, v in output["outputFacets"]["outputStatistics"].items() if k[0] != "_"}


def test_a_trained_version_s_event_names_its_set_with_the_guards_and_a_failure_says_its_kind_only(
    project: Project,
) -> None:
    send_lineage(project.stores)
    trained, failed = (
        next(one for one in written(project)[2:] if one["eventType"] == end) for end in ("COMPLETE", "FAIL")
    )
    [used] = trained["inputs"]
    assert "a" * 64 == used["facets"]["version"]["datasetVersion"]
    assert [{"assertion": "share", "success": True}] == used["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert ("models.tumours", "1") == (
        trained["outputs"][0]["name"],
        trained["outputs"][0]["facets"]["version"]["datasetVersion"],
    )
    assert "out of memory" == failed["run"]["facets"]["errorMessage"]["message"]
    assert "4711" not in (project.folder / "lineage.jsonl").read_text()


def test_without_the_setting_nothing_is_stored(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    write_set(project.stores, project.spec, "a" * 64, [])
    assert 0 == send_lineage(project.stores)
    assert (set(), {}) == (project.stores.lineage_events.known_keys(), project.stores.leases.beats())


def test_a_receiver_that_fails_is_asked_again_later_and_gets_all_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(API_KEY, "s3cret")
    with receiving() as receiver:
        project = made(tmp_path / "project", f"http://127.0.0.1:{receiver.port}/api/v1/lineage")
        sender, now = LineageSender(project.stores), project.stores.now()
        receiver.answer = 503
        assert 0 == sender.turn(now=now)
        assert (0, 1) == (sender.turn(now=now), len(receiver.received))  # it is not due yet
        receiver.answer = 201
        assert 10 == sender.turn(now=now + timedelta(hours=1))
        told = [json.loads(one.body) for one in receiver.accepted()]
        assert ["cancer.training_set", "cancer.deploy"] == [told[0]["job"]["name"], told[-1]["job"]["name"]]
        first = receiver.received[0]
        assert ("/api/v1/lineage", "Bearer s3cret") == (first.path, first.headers["authorization"])
        assert json.loads(first.body) == told[0]
        assert 0 == project.stores.lineage_events.waiting()


def test_what_a_receiver_refuses_for_good_holds_up_nothing_and_is_on_record(tmp_path: Path) -> None:
    with receiving() as receiver:
        project = made(tmp_path / "project", f"http://127.0.0.1:{receiver.port}/lineage")
        receiver.answer = 422
        assert 10 == send_lineage(project.stores)
        refused = project.stores.lineage_events.refused()
        assert ("set/cancer/" + "a" * 64 + "/START", True) == (refused[0][0], "answers 422" in refused[0][1])


def test_a_private_address_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    with receiving() as receiver:
        place = f"http://127.0.0.1:{receiver.port}/lineage"
        project = make_project(tmp_path / "project", MODELOPS_OPENLINEAGE=place)
        write_set(project.stores, project.spec, "a" * 64, [])
        assert (0, []) == (send_lineage(project.stores), receiver.received)
        event = project.stores.lineage_events.next()
        assert event is not None
        assert 1 == event.attempts


def test_two_processes_that_send_at_once_tell_each_step_once(project: Project) -> None:
    one, other = LineageSender(project.stores, "one"), LineageSender(project.stores, "other")
    now = project.stores.now()
    assert (10, 0) == (one.turn(now=now), other.turn(now=now))
    one.close()
    assert 0 == other.turn(now=now)
    assert 10 == len(written(project))


def test_an_event_whose_sender_was_killed_is_sent_again(project: Project) -> None:
    sender = LineageSender(project.stores)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(project.stores.lineage_events), "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            sender.turn()
    sender.close()
    assert 10 == send_lineage(project.stores)
    told = written(project)
    assert (11, told[0]) == (len(told), told[1])


def killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_torn_line_at_the_end_of_the_file_is_cut_off(tmp_path: Path) -> None:
    path, lock = tmp_path / "lines", tmp_path / "lock"
    append_line(path, "one", lock)
    with path.open("a") as file:
        file.write('{"torn')
    append_line(path, "two", lock)
    assert "one\ntwo\n" == path.read_text()


@pytest.mark.parametrize("place", ["ftp://host/x", "http://", "file:///x"])
def test_an_address_that_is_none_is_refused_without_being_shown(tmp_path: Path, place: str) -> None:
    with pytest.raises(SettingsError, match="The setting openlineage is neither a file nor an address") as refused:
        load_settings(tmp_path, {"MODELOPS_OPENLINEAGE": place})
    assert place not in str(refused.value)


def test_whether_private_addresses_are_allowed_is_true_or_false(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {"MODELOPS_OPENLINEAGE_PRIVATE": "True"}).openlineage_private
    with pytest.raises(SettingsError, match="The setting openlineage_private is 'maybe'"):
        load_settings(tmp_path, {"MODELOPS_OPENLINEAGE_PRIVATE": "maybe"})
