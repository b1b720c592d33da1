"""Every way of answering is served right, or refused at the deploy with its cause: with and without a gateway."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

from modelops_pipelines.core.errors import AcknowledgementError, ModelError, ModelOpsError
from modelops_pipelines.operations.release.commands import delete, deploy
from tests.fakes import model_kinds as kinds
from tests.fakes import ways_of_answering as ways
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project

pytestmark = pytest.mark.filterwarnings("ignore:.*Add type hints")
TRUSTED = "  allow_pickle: true\n  positive_label: 'yes'\n"
MODEL = "ways"
NUMBERS = count(1)


@dataclass(frozen=True)
class Cell:
    """A way of answering, and what is known of the version that answers so."""

    way: ways.Way
    example: bool
    outputs: bool
    classes: bool

    def __str__(self) -> str:
        known = [name for name in ("example", "outputs", "classes") if getattr(self, name)]
        return f"{self.way.name} ({', '.join(known) or 'nothing known'})"


PAIRS = ((True, True, True), (True, False, False), (False, True, False), (False, False, True))
"""Each pair of the three, known or not, is in one of these."""
CELLS = [
    Cell(way, *known)
    for way in ways.WAYS
    for known in (PAIRS if way.task == ways.BINARY else ((True, True, True), (False, False, False)))
]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project without a gateway."""
    return _project(tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, RunningGateway]]:
    """Return a project with a gateway."""
    project = _project(tmp_path_factory.mktemp("served"))
    with running_gateway(project, ready=False) as gateway:
        yield project, gateway


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_without_a_gateway_it_is_deployed_or_refused_with_its_cause(alone: Project, cell: Cell, tmp_path: Path) -> None:
    error = _deployed(alone, cell, tmp_path)
    expected = cell.way.refusal(classes=cell.classes)
    state = alone.stores.deployments.desired(cell.way.task)
    if expected is None:
        assert error is None
        assert state.champion is not None
        return
    assert isinstance(error, ModelError)
    assert expected in error.message
    assert error.remedy
    assert (None, 0) == (state.champion, state.generation % 2)  # nothing was written but the deletions of others


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_with_a_gateway_it_is_answered_right_or_refused_with_its_cause(
    served: tuple[Project, RunningGateway], cell: Cell, tmp_path: Path
) -> None:
    project, gateway = served
    error = _deployed(project, cell, tmp_path)
    expected = cell.way.refusal(classes=cell.classes)
    if expected is not None:
        assert isinstance(error, AcknowledgementError)
        assert expected in error.message
        assert error.message.endswith("no version is served, as before")
        return
    assert error is None
    assert cell.way.right is not None
    one, many = ways.FRAME.head(1), ways.FRAME
    with ThreadPoolExecutor(4) as callers:
        beside = list(callers.map(lambda _: _ask(gateway, cell.way.task, many)[0], range(8)))
    right = cell.way.right(many["x"].to_numpy())
    assert [right] * 8 == beside
    (answer, request_id), (several, _) = _ask(gateway, cell.way.task, one), _ask(gateway, cell.way.task, many)
    assert (right[:1], right) == (answer, several)
    _assert_logged(gateway, cell, request_id)


def test_a_version_without_a_signature_is_refused_with_what_to_add(alone: Project, tmp_path: Path) -> None:
    mlflow.pyfunc.save_model(tmp_path / "model", python_model=ways.model_of(ways.WAYS[0]), pip_requirements=["mlflow"])
    version = _registered(alone, tmp_path / "model")
    with pytest.raises(ModelError, match="has no signature") as refused:
        deploy(alone.stores, _spec(alone, ways.REGRESSION), version, actor="test", reason="test")
    assert "signature=infer_signature(" in refused.value.remedy


def _project(folder: Path) -> Project:
    project = kinds.empty_project(folder / "project")
    for task in (ways.REGRESSION, ways.BINARY):
        kinds.add_endpoint(project, task, TRUSTED, task=task, model=MODEL)
    project.stores.registry._ensure_model(MODEL)
    return project


def _spec(project: Project, task: str) -> Any:
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named

    return endpoint_named(project.stores, task)


def _deployed(project: Project, cell: Cell, folder: Path) -> ModelOpsError | None:
    """Log, register and deploy the cell's version on an endpoint that serves nothing; return what was raised."""
    spec = _spec(project, cell.way.task)
    if project.stores.deployments.desired(spec.name).champion is not None:
        delete(project.stores, spec, actor="test", reason="the next cell")
    inputs = Schema([ColSpec("double", "x"), ColSpec("string", "kind")])
    mlflow.pyfunc.save_model(
        folder / "model",
        python_model=ways.model_of(cell.way),
        signature=ModelSignature(inputs, _outputs(cell.way.output) if cell.outputs else None),
        pip_requirements=["mlflow"],
        metadata={"classes": list(ways.CLASSES)} if cell.classes else None,
    )
    if cell.example:
        (folder / "model" / "input_example.json").write_text(ways.FRAME.to_json(orient="split", index=False))
    version = _registered(project, folder / "model")
    found = project.stores.registry.describe(MODEL, version)
    project.stores.deployments.record_version(replace(found, trained_here=True))
    try:
        deploy(project.stores, spec, version, actor="test", reason="test")
    except ModelOpsError as error:
        return error
    return None


def _registered(project: Project, folder: Path) -> str:
    return str(project.stores.registry._client.create_model_version(MODEL, folder.as_uri()).version)


def _outputs(kind: str) -> Schema:
    return Schema([TensorSpec(np.dtype("float64"), (-1, 2)) if kind == "matrix" else ColSpec(kind)])


def _ask(gateway: RunningGateway, endpoint: str, frame: Any) -> tuple[list[Any], str]:
    response = gateway.predict(frame.to_dict(orient="records"), endpoint)
    assert response.status_code == 200, response.text
    return response.json()["predictions"], response.json()["request_id"]


def _assert_logged(gateway: RunningGateway, cell: Cell, request_id: str) -> None:
    """Assert that the log's row holds the same answer: a number, or a class with its score.

    Without classes a probability names none, and of two columns none is the score; of several numbers none is the
    prediction.
    """
    [row] = gateway.client.get(f"/endpoints/{cell.way.task}/logs", params={"request_id": request_id}).json()["rows"]
    x, found = ways.XS[0], row["prediction"]
    if cell.way.task == ways.REGRESSION:
        several = cell.way.right in (ways.pairs, ways.both)
        assert (None if several else 2 * x, None) == (found if several else float(found), row["score"])
    elif cell.way.output == "string":
        assert (cell.way.right(np.array([x]))[0] if cell.way.right else None, None) == (found, row["score"])
    elif cell.classes:
        assert ("no", x) == (found, row["score"])
    else:
        assert (None, x if cell.way.output == "double" else None) == (found, row["score"])
