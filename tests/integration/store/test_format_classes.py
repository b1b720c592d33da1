"""The order of a format's classes, whatever their types and order, and whichever of them is the positive label."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.models.predictions import interpret
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.registry.version_classes import learned
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes import data_formats as formats
from tests.fakes.classifiers import frame, places

ROWS = frame(120, seed=4)
NAMES = st.one_of(
    st.permutations(["female", "male"]),
    st.permutations([" a", "a ", "ä"]),
    st.permutations([7, 3, 11]),
    st.permutations([1, 2]),
    st.permutations(["0", "1", "00"]),
)
CATBOOST_NAMES = st.one_of(NAMES, st.permutations([False, True]), st.permutations([0.5, 2.0, -1.0]))
EXAMPLES = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def predictions(save: Any, names: Sequence[Any], positive: str) -> tuple[ModelVersion, list[Any], Any]:
    """Save, load and ask a model of these classes; return what the version knows, its answers and its scores."""
    task = "binary_classification" if len(names) == 2 else "multiclass"
    with TemporaryDirectory() as folder:
        save(Path(folder) / "model")
        version = ModelVersion(
            *("many", "1", str(Path(folder) / "model"), {"x": "float", "z": "float"}, None, None, None),
            datetime(2026, 1, 1, tzinfo=UTC),
            files_hash=hash_files(Path(folder) / "model"),
        )
        model = load_model(version, EndpointSpec("many", "many", task, "outcome"))
    version = learned(version, model)
    answered, scores = interpret(task, model.predict(ROWS), len(ROWS), version.classes, positive, version.output)
    return version, answered, scores


def truth_of(names: Sequence[Any]) -> list[str]:
    return [class_name(np.array(names)[place].item()) for place in places(ROWS, len(names))]


def right(answered: Sequence[Any], truth: Sequence[str]) -> float:
    return float(np.mean([one == other for one, other in zip(answered, truth, strict=True)]))


@EXAMPLES
@given(names=CATBOOST_NAMES)
def test_catboost_names_its_answers_as_the_labels_were(names: Sequence[Any]) -> None:
    version, answered, _ = predictions(lambda folder: formats.catboost_classifier(folder, names), names, "")
    truth = truth_of(names)
    assert right(answered, truth) > 0.8
    assert set(truth) == set(version.classes or ())
    assert version.classes_from == "model"


@pytest.mark.parametrize("zipmap", [True, False])
@EXAMPLES
@given(names=NAMES, place=st.integers(0, 1))
def test_onnx_names_its_columns_and_scores_the_positive_class(
    zipmap: bool,  # noqa: FBT001 - pytest gives it by name
    names: Sequence[Any],
    place: int,
) -> None:
    model = formats.logistic(names)
    onnx, positive = formats.onnx_of(model, zipmap=zipmap), class_name(names[place])
    output = model.predict_proba(formats.TRAINING.to_numpy())
    version, answered, scores = predictions(lambda folder: formats.save_onnx(onnx, folder, output), names, positive)
    assert [class_name(one) for one in model.classes_.tolist()] == version.classes
    truth = truth_of(names)
    assert right(answered, truth) > 0.8
    if len(names) == 2:
        found = [score for score, one in zip(scores, truth, strict=True) if one == positive]
        others = [score for score, one in zip(scores, truth, strict=True) if one != positive]
        assert np.mean(others) < 0.4
        assert np.mean(found) > 0.6


def test_classes_of_a_voting_classifiers_parts_are_not_taken_for_its_own() -> None:
    """Its parts count 0 and 1; its labels are 1 and 2, and no operator that makes them says so."""
    from sklearn.ensemble import RandomForestClassifier, VotingClassifier
    from sklearn.linear_model import LogisticRegression

    rows, truth = formats.TRAINING.to_numpy(), formats.codes(2) + 1
    parts = [("one", LogisticRegression()), ("two", RandomForestClassifier(3, random_state=1))]
    model = VotingClassifier(parts, voting="soft", flatten_transform=False).fit(rows, truth)
    onnx = formats.onnx_of(model, zipmap=False)
    version, answered, _ = predictions(
        lambda folder: formats.save_onnx(onnx, folder, model.predict_proba(rows)), (1, 2), "2"
    )
    assert version.classes in (None, ["1", "2"])
    assert {None} == set(answered) or right(answered, truth_of((1, 2))) > 0.8


def test_libraries_are_loaded_only_where_a_model_needs_them() -> None:
    """The modules that find a format are imported by every command."""
    import subprocess

    code = (
        "import sys, modelops_pipelines.store.registry.formats.known_formats as one;"
        "print([name for name in ('xgboost', 'lightgbm', 'catboost', 'onnxruntime', 'onnx', 'mlflow', 'pandas') "
        "if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == found.stdout.strip()
