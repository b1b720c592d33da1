"""Rows past their retention go by whole days, are told in the audit, and what was computed from them stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.core.tables.lake import KEY_USAGE, QUALITY_METRICS
from modelops_pipelines.operations.capture import join_checks
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.governance import key_usage
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.operations.maintenance import retention, vacuum
from modelops_pipelines.operations.maintenance.run import run_tasks
from modelops_pipelines.operations.metrics import quality
from modelops_pipelines.store.lake.maintenance.retirement import LakeRetirement
from tests.fakes.records import VERSION, label_row, request_record, write_segment
from tests.support.project import CANCER_YAML, Project, make_project
from tests.support.tables import table_rows

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
OLD = (NOW - 200 * DAY).replace(hour=22, minute=5)
NEW = NOW - 20 * DAY
YAML = f"{CANCER_YAML}  retention: {{predictions: 100d, rejects: null}}\n"
NUMBERS = iter(range(1, 1000))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project", YAML)
    made.stores.deployments.record_version(VERSION)
    return made


@pytest.fixture
def old(project: Project) -> dict[str, Any]:
    """Return the record of an old request, which is ingested, labelled and measured beside a new one."""
    records = [request_record("cancer", next(NUMBERS), at, 4) for at in (OLD, NEW)]
    deliver(project, "predictions", records)
    deliver(project, "labels", [label_of(one, 0, "1") for one in records])
    quality.measure_quality(project.stores, project.spec)
    return records[0]


def label_of(record: dict[str, Any], row: int, label: str) -> dict[str, Any]:
    return {"rows": [label_row(record, row, label, NOW)]}


def deliver(project: Project, stream: str, records: list[dict[str, Any]]) -> set[datetime]:
    write_segment(project.stores, "cancer", stream, f"w{next(NUMBERS)}", records)
    report = ingest(project.stores, project.spec, stream)
    assert [] == report.reasons
    return report.windows


def qualities(project: Project) -> list[tuple[datetime, int, int]]:
    with project.stores.lake.query("cancer", [QUALITY_METRICS]) as connected:
        return connected.execute(
            "SELECT window_start, predictions, labelled FROM quality_metrics WHERE segment = 'all' ORDER BY ALL"
        ).fetchall()


def retired(project: Project, *, dry_run: bool = False) -> list[Effect]:
    [outcome] = run_tasks(project.stores, [retention.TASK], NOW, dry_run=dry_run)
    assert outcome.error is None
    return list(outcome.effects)


def test_whole_days_past_the_retention_go_and_the_audit_tells_them_as_the_dry_run_did(
    project: Project, old: dict[str, Any]
) -> None:
    would = retired(project, dry_run=True)
    assert 8 == len(table_rows(project, "inference_log"))
    assert [
        ("lake rows", f"labels date={OLD.date()}", 1, "older than 100d"),
        ("lake rows", f"inference_log date={OLD.date()}", 4, "older than 100d"),
    ] == [(one.kind, one.item, one.items, one.reason) for one in would]
    assert would == retired(project)
    assert [NEW.date()] * 4 == [row["date"] for row in table_rows(project, "inference_log")]
    assert 1 == len(table_rows(project, "labels"))
    told, _ = project.stores.deletions.newest(10)
    assert ("cancer", would[1].item, 4, would[1].bytes) == (told.endpoint, told.item, told.items, told.bytes)
    assert told.finished_at is not None
    assert [] == retired(project)


def test_a_late_label_of_a_deleted_prediction_replaces_no_metric_and_fails_no_check(
    project: Project, old: dict[str, Any]
) -> None:
    before = qualities(project)
    assert [(OLD.replace(minute=0, second=0, microsecond=0), 4, 1)] == before[:1]
    retired(project)
    windows = deliver(project, "labels", [label_of(old, 1, "0")])
    assert 1 == len(windows)
    assert join_checks.Joined(0, 0) == join_checks.join_with_log(project.stores, project.spec, "labels", windows)
    assert () == quality.measure_quality(project.stores, project.spec).windows
    assert 0 == len(project.stores.touched_windows.pending("cancer", QUALITY_METRICS.name).windows)
    backfill = Range(OLD - DAY, NOW)
    assert before[0][0] not in quality.measure_quality(project.stores, project.spec, backfill).windows
    assert before == qualities(project)


def test_rows_that_are_deleted_while_their_window_is_computed_leave_its_metric_as_it_was(
    project: Project, old: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = qualities(project)
    judged = quality.judged_rows

    def after_the_deletion(*given: Any) -> Any:
        retired(project)
        return judged(*given)

    monkeypatch.setattr(quality, "judged_rows", after_the_deletion)
    deliver(project, "labels", [label_of(old, 1, "0")])
    quality.measure_quality(project.stores, project.spec)
    assert before == qualities(project)


def test_the_usage_of_keys_is_compared_with_what_is_left_of_the_log(project: Project, old: dict[str, Any]) -> None:
    key_usage.measure_usage(project.stores, project.spec)
    retired(project)
    assert [] == key_usage.usage_gaps(project.stores, project.spec)
    with project.stores.lake.query("cancer", [KEY_USAGE]) as connected:
        assert [(2,)] == connected.execute("SELECT sum(requests) FROM key_usage").fetchall()


def test_the_counts_that_start_a_retraining_do_not_fall_and_a_late_prediction_goes_again(
    project: Project, old: dict[str, Any]
) -> None:
    retired(project)
    again = request_record("cancer", next(NUMBERS), OLD - DAY, 1)
    deliver(project, "predictions", [again])
    progress = project.stores.ingest_progress.of("cancer")
    assert (9, 2) == (progress.predictions, progress.labels)
    assert [1] == [one.items for one in retired(project)]
    assert 9 == project.stores.lake.rows_ever("cancer", "inference_log")
    assert (OLD + DAY).date() == project.stores.lake.kept_from("cancer", "inference_log")


@pytest.mark.parametrize("killed", ["before the commit", "after the commit"])
def test_a_deletion_that_was_killed_is_told_once(
    project: Project, old: dict[str, Any], monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    retire = LakeRetirement.retire

    def dying(self: LakeRetirement, *given: Any) -> int:
        if killed == "after the commit":
            retire(self, *given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LakeRetirement, "retire", dying)
        with pytest.raises(KeyboardInterrupt):
            retired(project)
    assert [None] == [one.finished_at for one in project.stores.deletions.newest(10)]
    retired(project)
    told = project.stores.deletions.newest(10)
    assert [4, 1] == [one.items for one in told]
    assert None not in [one.finished_at for one in told]
    assert 4 == len(table_rows(project, "inference_log"))


def test_files_of_deleted_days_go_with_a_vacuum_a_day_later_and_are_told_too(
    project: Project, old: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    retired(project)
    folder = project.stores.settings.lake / "cancer" / "inference_log" / f"date={OLD.date()}"
    assert folder.exists()
    run_tasks(project.stores, [vacuum.TASK], datetime.now(UTC))  # files are as old as the machine says, not the module
    assert folder.exists()
    for name in ("AGE", "UNREAD"):
        monkeypatch.setattr(vacuum, name, timedelta(0))
    [outcome] = run_tasks(project.stores, [vacuum.TASK], datetime.now(UTC))
    assert outcome.error is None
    assert not folder.exists()
    told = project.stores.deletions.newest(100, kind="lake files")
    assert {f"{one.item}": one.items for one in outcome.effects} == {one.item: one.items for one in told}


def test_an_endpoint_without_yaml_keeps_its_rows(project: Project, old: dict[str, Any]) -> None:
    (project.folder / "endpoints" / "endpoint.yaml").unlink()
    assert [] == retired(project, dry_run=True)
