"""The matrix of flavours: each is deployed, or refused with its cause; then everything of the loop is right for it.

Seven forms of a request, one row or many, alone or beside others; profiles and drift; labels and quality; the gate; a
promotion and a rollback. What is compared with is MLflow's own answer.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, mean_absolute_error

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.tables.lake import DRIFT, PROFILES, QUALITY_METRICS
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.drift.detect import detect_drift
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.improve.evaluation.evaluate import evaluate
from modelops_pipelines.operations.lake.queries import newest_reader
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.release.commands import deploy, roll_back
from modelops_pipelines.store.registry.file_hashes import hash_files
from tests.fakes.classifiers import frame, places
from tests.fakes.data_formats import Kind, answers_of, example_in, register_folder
from tests.fakes.flavours import CODE, FLAVOURS
from tests.fakes.model_kinds import empty_project
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project
from tests.support.request_forms import FORMS
from tests.support.request_forms import answers_of as answers_in
from tests.worlds.dagster_project import wait_for_segments

pytestmark = pytest.mark.filterwarnings("ignore:.*Add type hints", "ignore:Any type hint")
WHO = {"actor": "test", "reason": "test"}
YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: {name}
  model_name: {name}
  task: {task}
  label: outcome
  label_horizon: 1h
  window: day
  allow_replay: true
  drift: {{days: 7, minimum: 30}}
  gate: {{min_days: 3, min_rows: 100, min_regimes: 1, regime_min_days: 2, regime_min_rows: 50}}
"""
DAYS, ROWS_A_DAY, EVALUATION_DAYS = 16, 64, 4
"""The last of the days is an evaluation day, as every fifth of the calendar."""


@dataclass
class World:
    """One gateway that serves a version of each flavour, with what it answered on each day."""

    project: Project
    gateway: RunningGateway
    specs: dict[str, EndpointSpec]
    folders: dict[str, Path]
    answered: dict[str, list[Any]] = field(default_factory=dict)
    truths: dict[str, list[Any]] = field(default_factory=dict)

    def ask(self, name: str, form: Any, rows: pd.DataFrame) -> list[Any]:
        path, content_type, body = form(rows)
        url, headers = f"/endpoints/{name}/{path}", {"content-type": content_type}
        response = self.gateway.client.post(url, content=body, headers=headers)
        assert response.status_code == 200, (name, response.text)
        return answers_in(response.json())

    def rows(self, name: str, table: Any) -> list[Any]:
        with newest_reader(self.project.stores, self.specs[name]) as read:
            return list(read(table, DAYS))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Register every flavour; those of code without a word of trust."""
    project = empty_project(tmp_path_factory.mktemp("flavours") / "project")
    for name, kind in FLAVOURS.items():
        folder = folder_of(project, name)
        kind.save(folder, **kind.more)
        if not (folder / "input_example.json").exists():
            example_in(folder)
        register_folder(project, name, folder)
        write_yaml(project, name, kind)
    return project


def folder_of(project: Project, name: str) -> Path:
    return project.folder / "saved" / name


def write_yaml(project: Project, name: str, kind: Kind, more: str = "") -> EndpointSpec:
    positive = f"  positive_label: {kind.classes[-1]}\n" if kind.classes and len(kind.classes) == 2 else ""
    path = project.folder / "endpoints" / f"{name}.yaml"
    path.write_text(YAML.format(name=name, task=kind.task) + positive + more)
    return read_endpoint(path)


@pytest.fixture(scope="module")
def world(saved: Project) -> Iterator[World]:
    """Trust what is code, deploy everything, ask it on sixteen days, and send what turned out to be true."""
    folders = {name: folder_of(saved, name) for name in FLAVOURS}
    trust = {name: f"  accept_pickles: [{hash_files(folders[name])}]\n" if name in CODE else "" for name in FLAVOURS}
    specs = {name: write_yaml(saved, name, kind, trust[name]) for name, kind in FLAVOURS.items()}
    with running_gateway(saved, ready=False) as gateway:
        found = World(saved, gateway, specs, folders)
        for name, spec in specs.items():
            deploy(saved.stores, spec, "1", **WHO)
            found.answered[name], found.truths[name] = [], []
            for day in range(DAYS):
                live_a_day(found, name, day)
        wait_for_segments(saved, *specs)
        for spec in specs.values():
            for stream in ("predictions", "labels"):
                ingest(saved.stores, spec, stream)
            for derive in (profile_windows, detect_drift, measure_quality):
                derive(saved.stores, spec)
        yield found


def live_a_day(world: World, name: str, day: int) -> None:
    today = datetime.now(UTC).replace(hour=3, minute=0, second=0, microsecond=0)
    newest = today - timedelta(days=1 + (today.toordinal() - 1) % 5)
    at = newest - timedelta(days=DAYS - 1 - day)
    rows = frame(ROWS_A_DAY, seed=50 + day)
    answer = world.gateway.predict(rows.to_dict("records"), name, **{"X-Event-Time": at.isoformat()})
    assert answer.status_code == 200, (name, answer.text)
    truths = true_labels(FLAVOURS[name], rows)
    ids = [f"{answer.json()['request_id']}-{row}" for row in range(ROWS_A_DAY)]
    labels = [{"prediction_id": i, "label": truth} for i, truth in zip(ids, truths, strict=True)]
    said = world.gateway.client.post(f"/endpoints/{name}/labels", json={"labels": labels})
    assert said.status_code == 202, (name, said.text)
    world.answered[name].append(answer.json()["predictions"])
    world.truths[name].append(truths)


def true_labels(kind: Kind, rows: pd.DataFrame) -> list[Any]:
    if kind.classes is None:
        return [float(value) for value in rows["x"] * 2 - rows["z"]]
    return [kind.classes[place] for place in places(rows, len(kind.classes))]


def test_there_are_fourteen() -> None:
    assert 14 == len(FLAVOURS)


@pytest.mark.parametrize("name", CODE)
def test_without_trust_code_is_refused_with_the_line_to_add(saved: Project, name: str) -> None:
    spec = write_yaml(saved, name, CODE[name])
    with pytest.raises(ModelOpsError, match="can execute code when it is loaded") as refused:
        deploy(saved.stores, spec, "1", **WHO)
    assert f"accept_pickles: [{hash_files(folder_of(saved, name))}]" in refused.value.remedy


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("name", FLAVOURS)
def test_every_form_of_request_is_answered_as_mlflow_answers(world: World, name: str, form: Any) -> None:
    rows = frame(23, seed=7)
    assert same(answers_of(world.folders[name], rows), world.ask(name, form, rows))


@pytest.mark.parametrize("name", FLAVOURS)
def test_a_row_is_answered_the_same_alone_in_a_batch_and_beside_others(world: World, name: str) -> None:
    rows = frame(24, seed=8)
    whole = world.ask(name, FORMS[0], rows)
    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda at: world.ask(name, FORMS[0], rows.iloc[at : at + 1]), range(len(rows))))
    alone = [one for [one] in asked]
    if name.startswith("onnx"):  # its kernels add up 32-bit numbers in another order for another number of rows
        np.testing.assert_allclose(np.asarray(alone, dtype=np.float64), np.asarray(whole), rtol=1e-6, atol=1e-9)
    else:
        assert same(np.array(whole), alone)


@pytest.mark.parametrize("name", FLAVOURS)
def test_inputs_and_answers_are_profiled_and_drift_is_judged_or_says_why_not(world: World, name: str) -> None:
    expected = {"x", "z", "prediction"}
    assert expected <= {row["column"] for row in world.rows(name, PROFILES)}
    judged = {row["column"]: row for row in world.rows(name, DRIFT)}
    assert expected <= set(judged), judged
    assert all(row["drifted"] is not None or row["reason"] for row in judged.values())


@pytest.mark.parametrize("name", FLAVOURS)
def test_quality_is_what_the_labels_give(world: World, name: str) -> None:
    kind, rows = FLAVOURS[name], sorted(world.rows(name, QUALITY_METRICS), key=lambda row: row["window_start"])
    assert [ROWS_A_DAY] * DAYS == [row["labelled"] for row in rows]
    for row, answered, truths in zip(rows, world.answered[name], world.truths[name], strict=True):
        if kind.classes is None:
            assert mean_absolute_error(truths, np.ravel(answered)) == pytest.approx(row["mae"])
        else:
            assert accuracy_score(truths, named_answers(kind, answered)) == pytest.approx(row["accuracy"])


def named_answers(kind: Kind, answered: list[Any]) -> list[Any]:
    """Return the class that each answer says: the likeliest, or itself, or that of its code."""
    names = list(kind.classes or ())
    if not kind.scored:
        plain = [one[0] if isinstance(one, list) else one for one in answered]
        return [one if one in names else names[int(one)] for one in plain]
    columns = [one if isinstance(one, list) else [1 - one, one] for one in answered]
    return [names[int(np.argmax(one))] for one in columns]


@pytest.mark.parametrize("name", FLAVOURS)
def test_the_gate_judges_a_copy_as_equal_and_it_is_promoted_and_rolled_back(world: World, name: str) -> None:
    spec, stores = world.specs[name], world.project.stores
    version = register_folder(world.project, name, world.folders[name])
    verdict = evaluate(stores, spec, version)
    numbers = verdict.numbers
    evidence = (numbers["rows"], numbers["days"])
    assert (ROWS_A_DAY * EVALUATION_DAYS, EVALUATION_DAYS) == evidence, numbers["reason"]
    assert "fail" == verdict.verdict  # it is not better
    assert numbers["improvement"] == 0
    assert numbers["champion_loss"] == numbers["candidate_loss"] >= 0
    deploy(stores, spec, version, force=True, **WHO)
    assert version == world.gateway.predict(frame(2).to_dict("records"), name).json()["model_version"]
    roll_back(stores, spec, **WHO)
    assert "1" == world.gateway.predict(frame(2).to_dict("records"), name).json()["model_version"]


def same(expected: Any, answered: list[Any]) -> bool:
    """Whether answers are the same: to the bit, or as texts."""
    wanted = np.asarray(expected)
    if wanted.dtype.kind in "OU":
        return [str(one) for one in wanted.ravel().tolist()] == [str(one) for one in np.ravel(answered).tolist()]
    return wanted.astype(np.float64).tobytes() == np.asarray(answered, dtype=np.float64).reshape(wanted.shape).tobytes()
