"""What MLflow's run of a version says of its data."""

import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from modelops_pipelines.operations.improve.retraining.train import train_first
from modelops_pipelines.operations.improve.training.run_inputs import run_inputs
from modelops_pipelines.operations.improve.training.sets import base_rows, content_hash, read_training_set
from modelops_pipelines.store.registry.run_inputs import log_run_inputs
from tests.fakes.lineage_world import NOW, insert
from tests.support.project import Project, cancer_frame, make_project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project")
    yield made
    made.stores.database.close()


def test_the_run_of_a_version_has_its_training_set_as_input_and_tags_to_search_by(project: Project) -> None:
    stores, spec, frame = project.stores, project.spec, cancer_frame()
    expected = content_hash(base_rows(spec, frame).combine_chunks())
    check = {"blocking": True, "message": "fine", "numbers": {}, "at": NOW, "guard": "share", "passed": True}
    insert(stores, "set_checks", endpoint="cancer", content_hash=expected, **check)
    stores.retrainings.start("cancer", None, "quality; 120 new labels", NOW)

    version = train_first(stores, spec, frame)

    client = mlflow.MlflowClient(stores.settings.registry_uri)
    run = client.get_run(str(version.run_id))
    [given] = run.inputs.dataset_inputs
    assert ("cancer.training_set", expected[:36], "delta_table") == (
        given.dataset.name,
        given.dataset.digest,
        given.dataset.source_type,
    )
    assert expected == json.loads(given.dataset.source)["content_hash"]
    assert {"num_rows": len(frame)} == json.loads(given.dataset.profile)
    columns = json.loads(given.dataset.schema)["mlflow_colspec"]
    assert {"name": "mean_radius", "type": "double", "required": False} in columns
    assert ["training"] == [tag.value for tag in given.tags]
    assert ("passed", "quality; 120 new labels") == (
        run.data.tags["modelops.guard.share"],
        run.data.tags["modelops.signal"],
    )
    assert "modelops.base" not in run.data.tags

    [record] = stores.training_sets.of("cancer")
    log_run_inputs(client, str(version.run_id), run_inputs(stores, spec, record, read_training_set(stores, record)))
    assert 1 == len(client.get_run(str(version.run_id)).inputs.dataset_inputs)
