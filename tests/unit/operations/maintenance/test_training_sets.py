"""Frozen training sets are deleted only where the YAML says so, and only those of archived versions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.operations.improve.training.sets import EVENT_TIME, ROW_ID, freeze, read_training_set, set_of
from modelops_pipelines.operations.maintenance import training_sets
from modelops_pipelines.operations.maintenance.run import run_tasks
from modelops_pipelines.operations.release import commands as releases
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from tests.fakes.records import VERSION
from tests.support.project import CANCER_YAML, Project, make_project

LATER = datetime.now(UTC) + timedelta(days=401)


def frozen(project: Project, name: str, base: str | None) -> TrainingSet:
    rows = pa.table(
        {ROW_ID: [name], EVENT_TIME: pa.array([None], pa.timestamp("us", "UTC")), "x": [1.0], "benign": ["1"]}
    )
    return freeze(project.stores, set_of(project.stores, project.spec, rows, base))


@pytest.mark.parametrize(("retention", "deleted"), [("{training_sets: 400d}", ["3"]), ("{rejects: 3d}", [])])
def test_only_sets_of_archived_versions_go_and_only_if_the_yaml_says_so(
    tmp_path: Path, retention: str, deleted: list[str]
) -> None:
    project = make_project(tmp_path / "project", f"{CANCER_YAML}  retention: {retention}\n")
    stores = project.stores
    first = frozen(project, "base-0", None)
    sets = {"1": first, **{one: frozen(project, one, first.content_hash) for one in ("2", "3", "4")}}
    for version, one in sets.items():
        if version != "4":  # of a refused training
            stores.deployments.record_version(replace(VERSION, version=version, training_set=one.content_hash))
    for version in ("1", "3"):
        releases.archive(stores, project.spec, version, actor="test", reason="old")
    assert () == run_tasks(stores, [training_sets.TASK], stores.now())[0].effects
    would = run_tasks(stores, [training_sets.TASK], LATER, dry_run=True)[0].effects
    assert [sets[one].content_hash for one in deleted] == [one.item for one in would]
    for _ in range(2):
        assert None is run_tasks(stores, [training_sets.TASK], LATER)[0].error
    assert [sets[one].content_hash for one in deleted] == [one.item for one in stores.deletions.newest(10)]
    for version, one in sets.items():
        if version in deleted:
            with pytest.raises(UnknownError, match="was deleted"):
                read_training_set(stores, one)
        else:
            assert 1 == len(read_training_set(stores, one))
    assert 4 == len(stores.training_sets.of("cancer"))
