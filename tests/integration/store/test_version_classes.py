"""Classes in a skops file, read as data: those of the loaded estimator, and none of a file that is not what it says."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.base import ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from modelops_pipelines.core.models.predictions import class_name
from modelops_pipelines.store.registry.version_classes import classes_in_files
from tests.fakes.hostile_models import MARKER, Payload

KINDS: dict[str, Callable[[], ClassifierMixin]] = {
    "logistic": LogisticRegression,
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "pipeline in pipeline": lambda: make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), GaussianNB())),
    "search": lambda: GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {}, cv=2),
    "calibrated": lambda: CalibratedClassifierCV(GaussianNB(), cv=2),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=2),
    "forest": lambda: RandomForestClassifier(3),
    "tree": DecisionTreeClassifier,
    "network": lambda: MLPClassifier((3,), max_iter=3),
    "neighbours": KNeighborsClassifier,
    "vectors": SVC,
    "stacking": lambda: StackingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier())], cv=2),
}
LABELS: dict[str, Any] = {
    "text": np.array(["no", "yes", "maybe"]),
    "objects": np.array(["no", "yes", "maybe"], dtype=object),
    "whole": np.array([7, 3, 5]),
    "small": np.array([1, 0, 2], dtype=np.int8),
    "floats": np.array([2.0, 0.0, 1.0]),
    "truths": np.array([True, False, True]),
}
RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(90, 2))
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore::FutureWarning")


def written(folder: Path, model: Any) -> Path:
    (folder / "model.skops").write_bytes(skops.io.dumps(model))
    return folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", LABELS)
def test_they_are_those_of_the_loaded_estimator_in_its_order(kind: str, labels: str, tmp_path: Path) -> None:
    model: Any = KINDS[kind]().fit(ROWS, LABELS[labels][np.arange(90) % 3])
    expected = [class_name(value) for value in model.classes_.tolist()]
    assert expected == classes_in_files(written(tmp_path, model))


def test_a_frozen_estimator_has_those_of_the_one_inside(tmp_path: Path) -> None:
    inner = GaussianNB().fit(ROWS, LABELS["text"][np.arange(90) % 3])
    assert ["maybe", "no", "yes"] == classes_in_files(written(tmp_path, FrozenEstimator(inner)))


def test_what_is_no_classifier_has_none(tmp_path: Path) -> None:
    assert classes_in_files(written(tmp_path, LinearRegression().fit(ROWS, ROWS[:, 0]))) is None
    assert classes_in_files(written(tmp_path, StandardScaler().fit(ROWS))) is None


def array_node(**more: Any) -> dict[str, Any]:
    return {"content": {"content": {"classes_": {"type": "numpy", "file": "a.npy", **more}}}}


def chain(depth: int) -> dict[str, Any]:
    node: dict[str, Any] = array_node()
    for _ in range(depth):
        node = {"content": {"content": {"estimator": node}}}
    return node


def npy(array: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


@pytest.mark.parametrize(
    ("schema", "array"),
    [
        (array_node(), npy(np.array([Payload()], dtype=object))),
        (array_node(), pickle.dumps(Payload())),
        (array_node(), b""),
        (array_node(), npy(np.zeros((2, 2)))),
        (array_node(), npy(np.zeros(3_000_000))),
        (array_node(), npy(np.zeros(2)).replace(b"(2,)", b"(9" + b"9" * 12 + b",)")),
        (array_node(file="../../etc/passwd"), npy(np.zeros(2))),
        (array_node(file=["a.npy"]), npy(np.zeros(2))),
        (array_node(type="json"), npy(np.zeros(2))),
        (chain(100), npy(np.zeros(2))),
        ([], b""),
        ({"content": None}, b""),
        ({"content": {"content": {"steps": {"content": []}}}}, b""),
    ],
)
def test_a_crafted_file_has_none_and_runs_nothing(
    schema: Any, array: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MARKER, str(tmp_path / "executed"))
    with zipfile.ZipFile(tmp_path / "model.skops", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("schema.json", json.dumps(schema))
        made.writestr("a.npy", array)
    assert classes_in_files(tmp_path) is None
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"[" * 100_000, pickle.dumps([1])])
def test_what_is_no_archive_has_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.skops").write_bytes(content)
    assert classes_in_files(tmp_path) is None


def test_a_schema_without_end_has_none(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.skops", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("schema.json", "[" * 100_000)
    assert classes_in_files(tmp_path) is None
    assert classes_in_files(tmp_path / "gone") is None
