"""The table beside each set: every input row once, with its place or the reason; it forgets an erased person."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from modelops_pipelines.core.endpoints.improvement import TrainingPolicy
from modelops_pipelines.core.errors import EvidenceError, UnknownError
from modelops_pipelines.core.improve.training.reasons import (
    DUPLICATE,
    EVALUATION_DAY,
    LATER_LABEL,
    LATER_ROW,
    NO_LABEL,
    REASONS,
    TEST_CALL,
    WITHDRAWN,
)
from modelops_pipelines.core.tables.lake import INFERENCE_LOG
from modelops_pipelines.core.tables.training import EVENT_TIME, ROW_ID, origins_table
from modelops_pipelines.operations.governance.erasure import erase_user
from modelops_pipelines.operations.improve.lineage.origins import rows_of
from modelops_pipelines.operations.improve.training import sets as builder
from modelops_pipelines.operations.improve.training.origins import origins_of
from modelops_pipelines.operations.improve.training.sets import build_training_set, read_training_set
from modelops_pipelines.store.lake.maintenance.retirement import LakeRetirement
from modelops_pipelines.store.lake.rows.origins import origins_of_sets
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores
from tests.support.crashing import CrashError
from tests.support.project import Project, copied_project
from tests.worlds.labelled_year import ERASED, FIRST, Captured, capture, captured, make_labelled

DAYS = 60
AS_OF = FIRST + timedelta(days=30)


@pytest.fixture(scope="module")
def year() -> Captured:
    return captured(DAYS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, year: Captured) -> Project:
    project = make_labelled(tmp_path_factory.mktemp("made") / "project", TrainingPolicy(feedback="corrected"))
    capture(project, year)
    project.stores.database.close()
    return project


@pytest.fixture
def project(made: Project, tmp_path: Path) -> Iterator[Project]:
    copied = copied_project(made, tmp_path / "project")
    yield copied
    copied.stores.database.close()


def test_every_input_row_is_in_the_set_or_has_a_reason(project: Project) -> None:
    stores = project.stores
    record = build_training_set(stores, project.spec, as_of=AS_OF)
    origins = origins_of(stores, "cancer", record.content_hash)
    rows = read_training_set(stores, record)
    inside = origins.filter(pc.is_valid(origins.column("position")))
    assert rows.column(ROW_ID).to_pylist() == inside.column(ROW_ID).to_pylist()
    assert list(range(len(rows))) == inside.column("position").to_pylist()
    assert len(origins) == len(set(origins.column(ROW_ID).to_pylist()))
    assert pc.all(pc.xor(pc.is_valid(origins.column("reason")), pc.is_valid(origins.column("position")))).as_py()
    counts = (record.manifest or {})["counts"]
    assert stores.lake.rows("cancer", INFERENCE_LOG.name) == counts["rows"] + sum(counts["left_out"].values())
    assert {NO_LABEL, TEST_CALL, LATER_ROW, EVALUATION_DAY, WITHDRAWN} <= set(counts["left_out"]) <= set(REASONS)
    assert record.rows == sum(counts["by_origin"].values())


def test_a_set_as_of_a_time_has_nothing_that_was_not_known_then(project: Project) -> None:
    stores = project.stores
    record = build_training_set(stores, project.spec, as_of=AS_OF)
    origins = origins_of(stores, "cancer", record.content_hash)
    inside = origins.filter(pc.is_valid(origins.column("position")))
    assert AS_OF >= max(inside.column("known_at").to_pylist())
    assert AS_OF >= max(inside.column(EVENT_TIME).to_pylist())
    early = build_training_set(stores, project.spec, as_of=FIRST + timedelta(days=3, hours=1))
    reasons = (early.manifest or {})["counts"]["left_out"]
    assert LATER_LABEL in reasons
    with pytest.raises(EvidenceError, match=r"has a label yet that was known at 2025-01-01"):
        build_training_set(stores, project.spec, as_of=FIRST)


def test_a_correction_that_came_later_does_not_change_an_earlier_set(project: Project, year: Captured) -> None:
    spec = replace(project.spec, training=TrainingPolicy(labels=("label",)))
    last = labels_of(project, build_training_set(project.stores, spec))
    changed = set()
    for days in (10, 20, 30, 40):
        record = build_training_set(project.stores, spec, as_of=FIRST + timedelta(days=days))
        mine = labels_of(project, record)
        changed |= {one for one, value in mine.items() if last.get(one, value) != value}
    assert changed
    assert changed <= {row["prediction_id"] for row in year.labels}


def labels_of(project: Project, record: TrainingSet) -> dict[str, str]:
    rows = read_training_set(project.stores, record)
    return dict(zip(*(rows.column(name).to_pylist() for name in (ROW_ID, "benign")), strict=True))


def test_repeated_rows_are_left_out_where_the_policy_says_so(project: Project) -> None:
    stores = project.stores
    policy = TrainingPolicy(duplicates="drop")
    kept = build_training_set(stores, project.spec)
    capture_again(project)
    spec = replace(project.spec, training=policy)
    dropped = build_training_set(stores, spec)
    assert (dropped.manifest or {})["counts"]["left_out"][DUPLICATE] > 0
    rows = read_training_set(stores, dropped)
    assert len(rows) == len(rows.group_by(["x", "c", "benign"]).aggregate([]))
    assert dropped.rows >= kept.rows - (dropped.manifest or {})["counts"]["left_out"][DUPLICATE]


def capture_again(project: Project) -> None:
    """Send the same requests under other ids, and the same labels of them."""
    again = captured(DAYS)
    for number, record in enumerate(again.predictions):
        before, record["id"] = record["id"], f"a{record['id'][1:-4]}{number:04}"
        for row in again.labels:
            if row["request_id"] == before:
                row["request_id"] = record["id"]
                row["prediction_id"] = f"{record['id']}-{row['row_index']}"
                row["label_id"] = f"again {row['label_id']}"
                row["withdraws"] = row["withdraws"] and f"again {row['withdraws']}"
    again.feedback, again.accepted = [], []
    capture(project, again, first=2)


def sets_by(stores: Stores, query: str, **wanted: Any) -> list[str]:
    """Return the sets in which lineage's query finds a row that is in the set, oldest first."""
    hashes = [known.content_hash for known in stores.training_sets.of("cancer")]
    with origins_of_sets(stores.lake, "cancer", hashes) as (connected, files):
        holding = {files[row["filename"]] for row in rows_of(connected, query, wanted) if row["position"] is not None}
    return [one for one in hashes if one in holding]


def test_the_sets_that_hold_a_label_are_found_by_it(project: Project, year: Captured) -> None:
    stores = project.stores
    record = build_training_set(stores, project.spec, as_of=AS_OF)
    later = build_training_set(stores, project.spec)
    origins = origins_of(stores, "cancer", record.content_hash)
    inside = origins.filter(pc.is_valid(origins.column("position")))
    source = inside.column("source_id")[0].as_py()
    assert [record.content_hash, later.content_hash] == sets_by(stores, "lineage_of_source", source_id=source)
    place = {name: inside.column(name)[0].as_py() for name in (EVENT_TIME, ROW_ID)}
    assert [record.content_hash, later.content_hash] == sets_by(stores, "lineage_of_row", **place)
    last = year.labels[-1]["label_id"]
    assert record.content_hash not in sets_by(stores, "lineage_of_source", source_id=last)
    assert [] == sets_by(stores, "lineage_of_source", source_id="none")


def test_an_erased_person_is_named_in_no_origins(project: Project) -> None:
    stores = project.stores
    record = build_training_set(stores, project.spec)
    hers = origins_of(stores, "cancer", record.content_hash)
    assert {"eve", "rita"} <= set(hers.column("author").to_pylist())
    for user in ("eve", ERASED):
        for _ in range(2):
            erase_user(stores, user, [project.spec], "test", patience=5)
    after = origins_of(stores, "cancer", record.content_hash)
    assert hers.drop_columns(["author"]).equals(after.drop_columns(["author"]))
    assert {"rita", None} == set(after.column("author").to_pylist())
    folder = stores.lake.path("cancer", origins_table(record.content_hash))
    (left,) = folder.glob("*.parquet")
    assert {"rita", None} == set(pq.read_table(left).column("author").to_pylist())
    assert [] == [path for path in (folder / "_delta_log").glob("*") if b'"eve"' in path.read_bytes()]


@pytest.mark.parametrize("step", ["write_origins", "record"])
def test_a_build_that_is_killed_is_completed_by_the_next(
    project: Project, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def crash(*_: object) -> None:
        raise CrashError

    stores = project.stores
    with monkeypatch.context() as patched:
        patched.setattr(stores.training_sets if step == "record" else builder, step, crash)
        with pytest.raises(CrashError):
            build_training_set(stores, project.spec)
    record = build_training_set(stores, project.spec)
    assert [record.content_hash] == [one.content_hash for one in stores.training_sets.of("cancer")]
    positions = origins_of(stores, "cancer", record.content_hash).column("position")
    assert record.rows == len(positions) - positions.null_count


def test_a_set_of_an_older_release_has_no_origins_and_says_so(project: Project) -> None:
    stores = project.stores
    record = build_training_set(stores, project.spec)
    LakeRetirement(stores.settings.lake).remove_table("cancer", origins_table(record.content_hash))
    with pytest.raises(UnknownError, match="Nothing says where the rows"):
        origins_of(stores, "cancer", record.content_hash)
    assert record.content_hash == build_training_set(stores, project.spec).content_hash
    assert len(origins_of(stores, "cancer", record.content_hash))
