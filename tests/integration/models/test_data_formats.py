"""Models of other libraries, from MLflow's flavours through the gateway to drift and quality, without any hash."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.tables.lake import PROFILES, QUALITY_METRICS
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.drift.references import REFERENCE_ROWS
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.lake.queries import newest
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.release.commands import deploy, roll_back
from tests.fakes import classifiers as made
from tests.fakes.data_formats import KINDS, answers_of, example_in, register_folder
from tests.fakes.hostile_formats import xgboost_children_outside
from tests.fakes.model_kinds import empty_project
from tests.support.gateway import RunningGateway, running_gateway, worker_pids
from tests.support.project import Project
from tests.support.request_forms import FORMS
from tests.support.request_forms import answers_of as answers_in
from tests.support.waiting import wait_until

YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: {name}
  model_name: {name}
  task: {task}
  label: outcome
  window: day
"""
ROWS = made.frame()
KNOWN = [name for name, kind in KINDS.items() if kind.classes]
ROLLED_BACK = ("xgboost_classifier", "lightgbm_booster", "catboost_classifier", "onnx_map")


@dataclass
class World:
    """One gateway that serves a version of each kind."""

    project: Project
    gateway: RunningGateway
    specs: dict[str, EndpointSpec]
    folders: dict[str, Path]
    outputs: dict[str, Any] = field(default_factory=dict)

    def ask(self, name: str, form: Any, rows: Any) -> list[Any]:
        path, content_type, body = form(rows)
        headers = {"content-type": content_type}
        response = self.gateway.client.post(f"/endpoints/{name}/{path}", content=body, headers=headers)
        assert response.status_code == 200, (name, response.text)
        return answers_in(response.json())

    def listed(self, name: str) -> dict[str, Any]:
        [one] = [one for one in self.gateway.client.get("/endpoints").json() if one["name"] == name]
        return one


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Deploy every kind, have it answer the same rows, and send what turned out to be true."""
    folder = tmp_path_factory.mktemp("formats")
    project = empty_project(folder / "project")
    specs, folders = {}, {}
    for name, kind in KINDS.items():
        path = project.folder / "endpoints" / f"{name}.yaml"
        positive = "  positive_label: male\n" if kind.classes and len(kind.classes) == 2 else ""
        path.write_text(YAML.format(name=name, task=kind.task) + positive)
        specs[name], folders[name] = read_endpoint(path), folder / name
        kind.save(folders[name], **kind.more)
        example_in(folders[name])
        register_folder(project, name, folders[name])
    with running_gateway(project, ready=False) as gateway:
        found = World(project, gateway, specs, folders)
        for spec in specs.values():
            deploy(project.stores, spec, "1", actor="test", reason="test")
        for name in KINDS:
            answer_and_label(found, name)
        for spec in specs.values():
            for stream in ("predictions", "labels"):
                wait_until(lambda spec=spec, stream=stream: ingest(project.stores, spec, stream) or True, 20)
            wait_until(lambda spec=spec: labelled(project, spec) == made.ROWS, 30)
            profile_windows(project.stores, spec)
            measure_quality(project.stores, spec)
        yield found


def answer_and_label(world: World, name: str) -> None:
    answer = world.gateway.predict(ROWS.to_dict("records"), name)
    assert answer.status_code == 200, (name, answer.text)
    world.outputs[name] = answer.json()["predictions"]
    labels = [
        {"prediction_id": f"{answer.json()['request_id']}-{row}", "label": label}
        for row, label in enumerate(KINDS[name].labels)
    ]
    accepted = world.gateway.client.post(f"/endpoints/{name}/labels", json={"labels": labels})
    assert accepted.status_code == 202, (name, accepted.text)
    more = world.gateway.predict(made.frame(REFERENCE_ROWS, seed=9).to_dict("records"), name)
    assert more.status_code == 200, (name, more.text)


def labelled(project: Project, spec: EndpointSpec) -> int:
    for stream in ("predictions", "labels"):
        ingest(project.stores, spec, stream)
    return project.stores.lake.rows(spec.name, "labels")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("name", KINDS)
def test_every_form_of_request_is_answered_as_mlflow_answers_the_same_rows(world: World, name: str, form: Any) -> None:
    rows = ROWS.head(23)
    expected = np.asarray(answers_of(world.folders[name], rows))
    answered = world.ask(name, form, rows)
    if expected.dtype.kind in "OU":
        assert expected.ravel().tolist() == np.ravel(answered).tolist()
    else:
        assert expected.astype(np.float64).tobytes() == np.asarray(answered, dtype=np.float64).tobytes()


@pytest.mark.parametrize("name", KINDS)
def test_each_answers_in_a_process_of_its_own_on_a_probed_path_and_no_hash_was_needed(world: World, name: str) -> None:
    assert () == world.specs[name].accept_pickles
    [line] = [line for line in world.gateway.log.read_text().splitlines() if f"version 1 of {name}: {{" in line][-1:]
    assert "'own_process': True" in line
    assert re.search("'path': 'frame', 'merged_rows': (96|512|2048),", line), line  # fewer where the machine is slow


@pytest.mark.parametrize("name", KNOWN)
def test_quality_is_what_the_true_classes_give(world: World, name: str) -> None:
    kind, output = KINDS[name], world.outputs[name]
    [row] = newest(world.project.stores, world.specs[name], QUALITY_METRICS)
    assert made.ROWS == row["labelled"]
    assert row["accuracy"] > 0.7
    assert list(kind.classes or ()) == world.listed(name)["classes"]
    if not kind.scored:
        return
    order = list(kind.classes or ())
    columns = [one if isinstance(one, list) else [1 - one, one] for one in output]
    assert accuracy_score(kind.labels, [order[one.index(max(one))] for one in columns]) == pytest.approx(
        row["accuracy"]
    )
    if len(order) == 2:
        scores = [one[order.index("male")] for one in columns]
        assert roc_auc_score([one == "male" for one in kind.labels], scores) == pytest.approx(row["auc"])


def test_a_booster_whose_classes_nobody_stated_has_no_quality_and_says_what_to_add(world: World) -> None:
    [row] = newest(world.project.stores, world.specs["xgboost_unknown"], QUALITY_METRICS)
    assert (made.ROWS, None, None) == (row["labelled"], row["accuracy"], row["auc"])
    assert "classes of version 1 were unknown" in row["reason"]
    assert 'Add "classes: [...]"' in world.listed("xgboost_unknown")["to_add"]


@pytest.mark.parametrize("name", KINDS)
def test_every_feature_and_answer_is_profiled(world: World, name: str) -> None:
    rows = newest(world.project.stores, world.specs[name], PROFILES)
    assert {"x", "z"} <= {row["column"] for row in rows}


def test_a_file_that_crashes_its_library_ends_no_worker_and_the_champion_stays(world: World) -> None:
    name = "xgboost_booster"
    hostile = world.folders[name].with_name("crashing")
    xgboost_children_outside(hostile)
    example_in(hostile)
    version = register_folder(world.project, name, hostile)
    workers = worker_pids(world.gateway)
    with pytest.raises(ModelOpsError, match=r"ended its process on loading \(SIGSEGV\)"):
        deploy(world.project.stores, world.specs[name], version, actor="test", reason="test", force=True)
    assert "1" == world.gateway.predict(ROWS.head(2).to_dict("records"), name).json()["model_version"]
    assert workers == worker_pids(world.gateway)


@pytest.mark.parametrize("name", ROLLED_BACK)
def test_a_version_is_promoted_and_rolled_back_as_any_other(world: World, name: str) -> None:
    spec, stores = world.specs[name], world.project.stores
    version = register_folder(world.project, name, world.folders[name])
    deploy(stores, spec, version, actor="test", reason="test", force=True)
    assert version == world.gateway.predict(ROWS.head(2).to_dict("records"), name).json()["model_version"]
    roll_back(stores, spec, actor="test", reason="test")
    assert "1" == world.gateway.predict(ROWS.head(2).to_dict("records"), name).json()["model_version"]
