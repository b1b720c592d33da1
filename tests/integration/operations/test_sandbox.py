"""Answers from a process of its own: the same as in the gateway, and nothing that a model does reaches the caller."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError, PredictionError, SchemaError
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.models.sandbox import BATCH_ROWS, predict_in_sandbox
from modelops_pipelines.operations.models.sandbox_worker import model_frame
from modelops_pipelines.operations.models.trial import try_version
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.setting_names import SECRET_VARIABLES
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes import moody_models as moody
from tests.support.paths import ROOT
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, train_first
from tests.support.waiting import wait_until

COLD = pytest.mark.usefixtures("cold_answering")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = make_project(
        tmp_path_factory.mktemp("apart") / "project", CANCER_YAML + "  allow_pickle: true\n  classes: [0, 1]\n"
    )
    train_first(made)
    trainers.train_first(made.stores, made.spec, cancer_frame(), moody.moody())
    yield made
    made.stores.database.close()


@pytest.fixture(scope="module")
def plain(project: Project) -> ModelVersion:
    return version(project, "1")


@pytest.fixture(scope="module")
def strange(project: Project) -> ModelVersion:
    return version(project, "2")


def version(project: Project, name: str) -> ModelVersion:
    found = project.stores.deployments.version("tumours", name)
    assert found is not None
    return found


def rows(count: int = 569, **radii: float) -> pa.Table:
    """Return rows of the data, with the radius of some (r3=-1.0) changed."""
    frame = cancer_frame().head(count).drop(columns=["benign"]).astype("float64")
    for name, radius in radii.items():
        frame.loc[int(name[1:]), "mean_radius"] = radius
    return pa.Table.from_pandas(frame, preserve_index=False)


def living(words: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            told = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in told:
            found.append(told)
    return found


@COLD
def test_answers_are_those_of_the_model_itself(project: Project, plain: ModelVersion) -> None:
    whole = pa.concat_tables([rows(), rows(), rows(400)])
    said = predict_in_sandbox(plain, project.spec, whole)
    itself = load_model(plain, project.spec).predict(whole.to_pandas())
    assert len(whole) > BATCH_ROWS
    assert np.allclose(itself[:, 1], said.scores, rtol=0, atol=1e-12)
    assert [str(int(score >= 0.5)) for score in itself[:, 1]] == list(said.predictions)
    assert set(said.errors) == {None}
    assert 0 < said.seconds < said.seconds_in_all
    assert all(0 < one < 5 for one in said.milliseconds if one is not None)


def test_no_row_is_no_answer(project: Project, plain: ModelVersion) -> None:
    assert [] == predict_in_sandbox(plain, project.spec, rows(0)).predictions


def test_the_rows_that_a_model_raises_on_are_found(project: Project, strange: ModelVersion) -> None:
    said = predict_in_sandbox(strange, project.spec, rows(300, r7=moody.RAISE, r250=moody.RAISE))
    assert {7, 250} == {index for index, error in enumerate(said.errors) if error is not None}
    assert "ValueError: … of … radii make no sense" == said.errors[7]
    assert (None, None, None) == (said.predictions[7], said.scores[7], said.milliseconds[7])
    assert said.predictions[8] in {"0", "1"}


def test_batches_are_the_ones_asked_for(project: Project, strange: ModelVersion) -> None:
    said = predict_in_sandbox(strange, project.spec, rows(5, r4=moody.SLOW), batches=[3, 1, 1])
    assert said.milliseconds[4] >= 2
    assert all(said.milliseconds[0] == one for one in said.milliseconds[:3])


@COLD
def test_a_model_that_hangs_is_ended_at_the_deadline(project: Project, strange: ModelVersion) -> None:
    began = time.monotonic()
    with pytest.raises(PredictionError, match="Version 2 did not answer 4 rows in 8 s; its process was killed"):
        predict_in_sandbox(strange, project.spec, rows(4, r1=moody.HANG), deadline=8)
    assert time.monotonic() - began < 12
    assert [] == living("models.sandbox_worker")


@COLD
@pytest.mark.parametrize(
    ("mood", "why"),
    [
        (moody.EXIT, r"crashed on 3 rows \(exit code 7\): out of paper"),
        (moody.CRASH, r"crashed on 3 rows \(SIGSEGV\)"),
    ],
)
def test_a_model_that_crashes_is_told(project: Project, strange: ModelVersion, mood: float, why: str) -> None:
    with pytest.raises(PredictionError, match=why):
        predict_in_sandbox(strange, project.spec, rows(3, r2=mood))


@COLD
def test_what_a_model_has_started_is_ended_with_it(project: Project, strange: ModelVersion) -> None:
    said = predict_in_sandbox(strange, project.spec, rows(3, r2=moody.LINGER), low_priority=True)
    assert [None] * 3 == list(said.errors)
    wait_until(lambda: not living("# lingering"), 5)  # killed, and then gone


@COLD
@pytest.mark.parametrize("apart", ["in the sandbox", "in a trial"])
def test_what_a_model_starts_in_a_session_of_its_own_ends_too_and_it_sees_no_secret(
    project: Project, strange: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: str
) -> None:
    secrets = {name: f"hidden-{number}" for number, name in enumerate((*SECRET_VARIABLES, "GATE_KEY", "DB_PASSWORD"))}
    secrets |= {"OPS": "https://hooks.example.com/services/T012/hidden0a1b2c3d4e5f6a7b8c9d0"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(moody.TOLD_TO, str(tmp_path / "told"))
    monkeypatch.setenv("FOREST", "of the model")
    if apart == "in a trial":
        other = make_project(tmp_path / "project", CANCER_YAML + "  allow_pickle: true\n  classes: [0, 1]\n")
        trainer = moody.moody(moody.ESCAPE)
        try_version(trainers.train_first(other.stores, other.spec, cancer_frame(), trainer), other.spec)
        other.stores.database.close()
    else:
        said = predict_in_sandbox(strange, project.spec, rows(3, r2=moody.ESCAPE))
        assert [None] * 3 == list(said.errors)
    assert [] == living("# escaped")
    environment = (tmp_path / "told").read_text()
    assert "'FOREST': 'of the model'" in environment
    assert "hidden" not in environment
    assert [] == [name for name in secrets if f"'{name}'" in environment]


def test_a_model_ends_with_all_that_it_started_when_who_asked_is_killed(tmp_path: Path) -> None:
    run = "from modelops_pipelines.operations.models.child_process import run_child; from pathlib import Path"
    code = f"{run}; run_child('tests.fakes.escaping_worker', Path({str(tmp_path)!r}), 600)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as asker:
        wait_until(lambda: bool(living("# escaped from a worker")), 60)
        asker.kill()
    wait_until(lambda: not living("# escaped from a worker") and not living("tests.fakes.escaping_worker"), 30)


def test_a_version_that_cannot_be_loaded_is_told_in_the_loader_s_words(project: Project, plain: ModelVersion) -> None:
    moved = replace(plain, artifact_uri=str(project.folder / "gone"))
    with pytest.raises((ModelError, PredictionError), match="gone"):
        predict_in_sandbox(moved, project.spec, rows(3))
    with pytest.raises(ModelError, match="has changed since it was recorded"):
        predict_in_sandbox(replace(plain, files_hash="0" * 64), project.spec, rows(3))


def test_a_feature_that_the_rows_lack_is_named(project: Project, plain: ModelVersion) -> None:
    with pytest.raises(SchemaError, match="Version 1 takes feature\\(s\\) mean_texture, which the rows do not have"):
        predict_in_sandbox(plain, project.spec, rows(3).drop_columns(["mean_texture"]))


def test_the_child_says_why_a_pickle_is_refused(project: Project, strange: ModelVersion) -> None:
    spec: EndpointSpec = replace(project.spec, allow_pickle=False)
    with pytest.raises(ModelError, match="is refused: its format can execute code"):
        predict_in_sandbox(strange, spec, rows(1))


def test_every_type_reaches_the_model_as_its_signature_says() -> None:
    table = pa.table(
        {
            "f": pa.array([1.5, None]),
            "n": pa.array([1, 2], pa.int64()),
            "narrow": pa.array([1.5, None]),
            "t": pa.array(["a", None]),
            "b": pa.array([True, False]),
            "at": pa.array([0, None], pa.timestamp("us", "UTC")),
        }
    )
    kinds: Any = {"f": "float", "n": "int", "narrow": "float", "t": "text", "b": "bool", "at": "timestamp"}
    frame = model_frame(table, kinds, {"narrow": "float32"})
    assert ["float64", "int64", "float32", "object", "bool", "datetime64[ns]"] == [str(one) for one in frame.dtypes]
    assert [None, True] == [frame["t"][1], bool(np.isnan(frame["f"][1]))]
