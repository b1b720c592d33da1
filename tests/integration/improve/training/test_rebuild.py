"""Every training set of a year is built again, byte for byte, from the log; what the log lost is listed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from modelops_pipelines.core.endpoints.improvement import TrainingPolicy
from modelops_pipelines.core.errors import IntegrityError
from modelops_pipelines.core.tables.training import ROW_ID, frozen_table, origins_table
from modelops_pipelines.operations.governance.erasure import erase_user
from modelops_pipelines.operations.improve.guards.check_set import check_frozen
from modelops_pipelines.operations.improve.lineage.why import ORIGINS_CHANGED, why
from modelops_pipelines.operations.improve.retraining.train import train
from modelops_pipelines.operations.improve.training.content import csv_hash
from modelops_pipelines.operations.improve.training.descriptions import describe_training_set
from modelops_pipelines.operations.improve.training.origins import CHANGED, UNCHANGED, origins_of, origins_state
from modelops_pipelines.operations.improve.training.rebuild import ERASED as WAS_ERASED
from modelops_pipelines.operations.improve.training.rebuild import (
    GONE,
    NO_MANIFEST,
    NOT_RECORDED,
    RETIRED,
    UNACCEPTED,
    rebuild_training_set,
)
from modelops_pipelines.operations.improve.training.sets import (
    build_training_set,
    evaluation_rows,
    first_frame,
    freeze_frame,
    read_training_set,
)
from modelops_pipelines.operations.maintenance import compaction, vacuum
from modelops_pipelines.operations.maintenance.run import run_tasks
from modelops_pipelines.store.lake.maintenance.retirement import LakeRetirement
from modelops_pipelines.store.state.improve.accepted_feedback import ROWS
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import VERSION
from tests.fakes.trainers import logistic
from tests.support.project import Project, copied_project
from tests.worlds.labelled_year import ERASED, FIRST, Captured, capture, captured, make_labelled

DAYS = 120
MONTHS = [FIRST + timedelta(days=days) for days in (30, 60, 90, DAYS + 30)]


@pytest.fixture(scope="module")
def year() -> Captured:
    return captured(DAYS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, year: Captured) -> Project:
    """Return a project with a year, a first frame and a set of each month, under three policies."""
    project = make_labelled(tmp_path_factory.mktemp("made") / "project")
    capture(project, year, parts=3)
    stores = project.stores
    times = [FIRST - timedelta(days=day) for day in range(20)]
    frame = pd.DataFrame({"x": range(20), "c": "a", "old": 7, "benign": [0, 1] * 10, "event_time": times})
    freeze_frame(stores, project.spec, frame)
    for policy in POLICIES:
        for month in MONTHS:
            build_training_set(stores, replace(project.spec, training=policy), as_of=month)
    build_training_set(stores, project.spec)
    stores.database.close()
    return project


POLICIES = (
    TrainingPolicy(),
    TrainingPolicy(feedback="corrected", conflict="majority", duplicates="drop"),
    TrainingPolicy(labels=("feedback", "label"), conflict="newest"),
)


@pytest.fixture
def project(made: Project, tmp_path: Path) -> Iterator[Project]:
    copied = copied_project(made, tmp_path / "project")
    yield copied
    copied.stores.database.close()


def restarted(project: Project) -> Stores:
    project.stores.database.close()
    project.stores = Stores(project.stores.settings)
    return project.stores


LOGGED = ("inference_log", "labels")


def maintained(project: Project, now: datetime) -> None:
    for task in (compaction.TASK, vacuum.TASK):
        [outcome] = run_tasks(project.stores, [task], now)
        assert None is outcome.error
        assert outcome.effects
    lake = project.stores.lake
    used = {file for table in LOGGED for file in lake.files("cancer", table)}
    on_disk = {str(file) for table in LOGGED for file in lake.path("cancer", table).glob("date=*/*.parquet")}
    assert used == on_disk, "what was superseded is gone"


def test_all_sets_are_the_same_after_compaction_vacuum_and_a_restart(project: Project) -> None:
    maintained(project, project.stores.now() + timedelta(days=10))
    stores = restarted(project)
    sets = stores.training_sets.of("cancer")
    assert 10 < len(sets)
    for record in sets:
        found = rebuild_training_set(stores, project.spec, record)
        assert (True, (), None) == (found.identical, found.missing, found.unknown)
        assert record.rows == found.logged + found.provided
    assert {16, 20} == {one.manifest["counts"]["provided"] for one in sets if one.manifest}


def test_an_erased_user_is_listed_in_old_sets_and_absent_from_new_ones(project: Project, year: Captured) -> None:
    stores = project.stores
    hers = {f"{record['id']}-{row}" for record in year.predictions if record["user"] == ERASED for row in range(4)}
    before = stores.training_sets.of("cancer")
    erase_user(stores, ERASED, [project.spec], "test", patience=5)
    maintained(project, stores.now() + timedelta(days=10))
    stores = restarted(project)
    for record in before:
        found = rebuild_training_set(stores, project.spec, record)
        inside = set(read_training_set(stores, record).column(ROW_ID).to_pylist()) & hers
        assert found.identical
        assert inside == {one.row_id for one in found.missing}
        assert {("prediction", WAS_ERASED)} >= {(one.what, one.reason) for one in found.missing}
    assert any(rebuild_training_set(stores, project.spec, record).missing for record in before)
    new = build_training_set(stores, project.spec)
    assert hers.isdisjoint(origins_of(stores, "cancer", new.content_hash).column(ROW_ID).to_pylist())
    assert hers.isdisjoint(read_training_set(stores, new).column(ROW_ID).to_pylist())


def test_rows_past_their_retention_come_from_the_frozen_copy(project: Project) -> None:
    stores = project.stores
    spec = replace(project.spec, retention=replace(project.spec.retention, predictions=timedelta(days=100)))
    day = (FIRST + timedelta(days=40)).date()
    lake = LakeRetirement(stores.settings.lake)
    for table in ("labels", "feedback", "inference_log"):
        lake.retire("cancer", table, day)
    record = stores.training_sets.of("cancer")[-1]
    found = rebuild_training_set(stores, spec, record)
    assert found.identical
    assert {RETIRED} == {one.reason for one in found.missing}


def test_feedback_that_is_deleted_later_is_listed(project: Project) -> None:
    stores = project.stores
    record = next(one for one in stores.training_sets.of("cancer") if by_feedback(stores, one))
    with stores.database.begin() as connected:
        connected.execute(ROWS.delete())
    found = rebuild_training_set(stores, project.spec, record)
    assert (True, {UNACCEPTED}) == (found.identical, {one.reason for one in found.missing})


def by_feedback(stores: Stores, record: TrainingSet) -> bool:
    policy = (record.manifest or {}).get("policy", {})
    counts = (record.manifest or {}).get("counts", {})
    return policy.get("feedback") == "accepted" and counts["by_origin"].get("feedback", 0) > 0


def test_a_changed_log_is_not_the_same_set(project: Project) -> None:
    stores, record = project.stores, project.stores.training_sets.of("cancer")[-1]
    inside = stores.lake.table("cancer", "inference_log")
    assert inside is not None
    inside.update(updates={"x": "x + 1"})
    found = rebuild_training_set(stores, project.spec, record)
    assert (False, UNCHANGED) == (found.identical, found.frozen)


def rewritten(stores: Stores, record: TrainingSet, rows: pa.Table) -> None:
    """Write other rows into a frozen set's table, as somebody with the lake's folder may."""
    name = frozen_table(record.content_hash)
    LakeRetirement(stores.settings.lake).remove_table("cancer", name)
    stores.writer.write_whole("cancer", name, rows.append_column("position", [list(range(len(rows)))]))


def flipped(rows: pa.Table) -> pa.Table:
    labels = pc.if_else(pc.equal(rows.column("benign"), "1"), "0", "1")
    return rows.set_column(rows.column_names.index("benign"), "benign", labels)


@pytest.mark.parametrize(
    "change",
    [flipped, lambda rows: rows.slice(1), lambda rows: rows.drop_columns(["x"])],
    ids=["labels", "a row", "a column"],
)
def test_a_frozen_set_that_was_changed_is_told_and_read_by_nothing(
    project: Project, change: Callable[[pa.Table], pa.Table]
) -> None:
    stores, spec = project.stores, project.spec
    record = stores.training_sets.of("cancer")[-1]
    rewritten(stores, record, change(read_training_set(stores, record)))
    found = rebuild_training_set(stores, spec, record)
    assert (False, CHANGED) == (found.identical, found.frozen)
    readers: list[Callable[[], object]] = [
        lambda: read_training_set(stores, record),
        lambda: check_frozen(stores, spec, record),
        lambda: train(stores, spec, record, logistic),
    ]
    for read in readers:
        with pytest.raises(IntegrityError, match="was changed after it was frozen"):
            read()


def test_a_first_frame_that_was_changed_trains_and_judges_nothing(project: Project) -> None:
    stores, frame = project.stores, first_frame(project.stores, project.spec)
    assert frame is not None
    rewritten(stores, frame, flipped(read_training_set(stores, frame)))
    for read in (build_training_set, evaluation_rows):
        with pytest.raises(IntegrityError, match=frame.content_hash[:12]):
            read(stores, project.spec)


def forged_author(stores: Stores, record: TrainingSet) -> None:
    delta = stores.lake.table("cancer", origins_table(record.content_hash))
    assert delta is not None
    delta.update(updates={"author": "'somebody else'"})


def test_origins_that_were_changed_are_told(project: Project) -> None:
    stores, record = project.stores, project.stores.training_sets.of("cancer")[-1]
    assert UNCHANGED == rebuild_training_set(stores, project.spec, record).origins
    forged_author(stores, record)
    assert CHANGED == rebuild_training_set(stores, project.spec, record).origins
    assert CHANGED == describe_training_set(stores, project.spec, record)["origins"]
    stores.deployments.record_version(replace(VERSION, training_set=record.content_hash))
    assert ORIGINS_CHANGED == why(stores, project.spec, VERSION.version).unknown["sources"]


def test_an_erasure_records_the_origins_anew_and_hides_no_change(project: Project) -> None:
    stores, sets = project.stores, project.stores.training_sets.of("cancer")
    forged_author(stores, sets[-1])
    erase_user(stores, ERASED, [project.spec], "test", patience=5)
    found = {one.content_hash: origins_state(stores, one) for one in stores.training_sets.of("cancer")}
    assert CHANGED == found.pop(sets[-1].content_hash)
    assert {UNCHANGED} == set(found.values())


def test_a_set_of_an_older_release_says_what_cannot_be_known(project: Project) -> None:
    stores, spec = project.stores, project.spec
    rows = read_training_set(stores, stores.training_sets.of("cancer")[-1])
    rows = rows.filter(pc.invert(pc.starts_with(rows.column(ROW_ID), "base-"))).select(
        [ROW_ID, "event_time", "x", "c", spec.label]
    )
    old = TrainingSet("cancer", csv_hash(rows), None, len(rows), 0, None, stores.now())
    stores.writer.write_whole(
        "cancer", frozen_table(old.content_hash), rows.append_column("position", [list(range(len(rows)))])
    )
    stores.training_sets.record(old)
    found = rebuild_training_set(stores, spec, old)
    assert (True, NO_MANIFEST, len(rows)) == (found.identical, found.unknown, found.logged)
    assert {NOT_RECORDED, GONE} >= {one.reason for one in found.missing}
