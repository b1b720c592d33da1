"""The fixture for users' own tests, in a fresh folder with a test of a user's own; and what it costs who does without."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.pages import blocks
from tests.support.paths import ROOT

USERS_TEST = """
import time
from pathlib import Path

import mlflow
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelops_pipelines.core.errors import InputError, SettingsError, UnknownError

frame = load_breast_cancer(as_frame=True)
FEATURES = frame.data[["mean radius", "mean texture"]].rename(columns=lambda name: name.replace(" ", "_"))
MODEL = make_pipeline(StandardScaler(), LogisticRegression()).fit(FEATURES, frame.target)


def test_large_tumours_are_malignant(modelops_gateway):
    change = modelops_gateway.deploy("tumours", MODEL, example=FEATURES.head(5))
    assert (change.to_version, change.workers) == ("1", 1)
    answer = modelops_gateway.client.predict("tumours", [{"mean_radius": 25.0, "mean_texture": 25.0}])
    assert answer.predictions[0][1] < 0.1
    assert modelops_gateway.client.label("tumours", answer.prediction_ids[0], 0).accepted == 1


def test_a_saved_model_serves_too(modelops_gateway, tmp_path):
    mlflow.sklearn.save_model(
        MODEL, tmp_path / "model", serialization_format="skops", pyfunc_predict_fn="predict_proba",
        signature=mlflow.models.infer_signature(FEATURES, MODEL.predict_proba(FEATURES)),
    )
    assert modelops_gateway.deploy("tumours", tmp_path / "model").to_version == "2"
    answer = modelops_gateway.client.predict("tumours", FEATURES.head(3))
    assert [list(row) for row in MODEL.predict_proba(FEATURES.head(3))] == [list(row) for row in answer.predictions]


def test_what_production_would_refuse_is_refused(modelops_gateway, tmp_path):
    with pytest.raises(InputError, match="no MLflow model"):
        modelops_gateway.deploy("tumours", tmp_path)


def test_a_faulty_file_is_told(modelops_gateway):
    Path("endpoints/wrong.yaml").write_text("{type: modelops_pipelines.ModelEndpoint, attributes: {name: wrong, tusk: 1}}")
    with pytest.raises(SettingsError, match="tusk"):
        for _ in range(100):
            try:
                modelops_gateway.deploy("wrong", MODEL, example=FEATURES.head(5))
            except UnknownError:  # the gateway has not seen the file yet
                time.sleep(0.2)


def test_nothing_of_the_project_is_touched(modelops_gateway):
    assert not Path(".modelops").exists()
"""
ALERTING = """\
channels:
  ops: {kind: webhook, url: https://example.com/never}
routes:
  - {channels: [ops]}
"""


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest as its own process, as an installed plugin is loaded."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MODELOPS_HOME": str(folder / "another"),
        "OMP_NUM_THREADS": "1",
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:schemathesis",
        *arguments,
    ]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


def test_a_user_s_own_tests_run_against_a_gateway_that_is_thrown_away(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "modelops_pipelines" / "cli" / "templates" / "project", tmp_path, dirs_exist_ok=True)
    (tmp_path / "alerting.yaml").write_text(ALERTING)
    (tmp_path / "test_own.py").write_text(USERS_TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    told = {title: content for _, title, content in blocks(ROOT / "docs" / "client.md") if title}
    (tmp_path / "test_tumours.py").write_text(told["test_tumours.py"])
    done = pytest_in(tmp_path, "-q", "-x", "test_own.py", "test_tumours.py")
    assert "6 passed" in done.stdout, done.stdout[-3000:] + done.stderr[-2000:]
    assert not (tmp_path / "another").exists()
    assert not _of(tmp_path)


def test_the_plugin_loads_nothing_that_takes_time(tmp_path: Path) -> None:
    heavy = "mlflow pandas numpy dagster duckdb pyarrow sqlalchemy httpx fastapi"
    (tmp_path / "test_light.py").write_text(
        f"import sys\n\ndef test_it():\n    assert [name for name in {heavy!r}.split() if name in sys.modules] == []\n"
    )
    done = pytest_in(tmp_path, "-q", "-p", "no:hypothesispytest", "-p", "no:xdist")
    assert "1 passed" in done.stdout, done.stdout


def _of(folder: Path) -> list[str]:
    """Return the processes that were started in a session of tests in this folder, and are still there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words and int(process.name) != os.getpid():
            found.append(process.name)
    return found
