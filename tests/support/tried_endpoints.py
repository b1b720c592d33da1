"""A gateway on which the page that tries endpoints is tested: a typed model, a matrix, one explained, others."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modelops_pipelines.core.access.api_keys import IssuedKey, grant
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.explanations.references import reference_of
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy, stop
from modelops_pipelines.store.registry.prepared_models import PreparedModel
from tests.fakes import model_kinds as kinds
from tests.support.captured_log import log_of
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project
from tests.support.versions import register_as_own

LIMITED = "  limits: {per_key: 3/hour}\n"
EXPLAINED = "  explain: {sample: 0}\n  cache: {ttl: 1h}\n"
OWN = "  allow_pickle: true\n"
ELSEWHERE = (
    "type: modelops_pipelines.ModelEndpoint\nattributes: {name: fraud, served: elsewhere, task: regression, label: y}\n"
)
ROWS = [
    {"age": 41.5, "visits": 3, "member": True, "note": "a 'b'", "since": "2026-01-31T12:00:00Z"},
    {"age": -1e-07, "visits": 2**53 + 1, "member": False, "note": "c\nd", "since": "2025-06-01T00:00:00.250Z"},
]
FIELDS = {"x0": "41.5", "x1": "3", "x2": "true", "x3": "a 'b'", "x4": "2026-01-31T12:00:00"}
WORTH = 41.5 + 3 + 1000 + len("a 'b'")


@dataclass
class Bench:
    """A gateway with endpoints of every state, and keys by what they may."""

    gateway: RunningGateway
    project: Project
    specs: dict[str, EndpointSpec]
    keys: dict[str, IssuedKey]

    def tests_in_log(self, name: str) -> list[dict[str, Any]]:
        """Return the endpoint's test calls, after all that was captured is ingested."""
        return [row for row in log_of(self.project, self.specs[name]) if row["source"] == "test"]

    def live(self, name: str) -> int:
        """Return how many requests the endpoint's live numbers have."""
        key = {"x-api-key": self.keys["ann"].text}
        return int(self.gateway.client.get(f"/endpoints/{name}/metrics?window=1h", headers=key).json()["requests"])


def _typed(_frame: Any, _context: Any) -> Any:
    import mlflow

    class Typed(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature; hints would be taken for a signature
            rows = model_input
            return rows["age"] + rows["visits"] % 1000 + rows["member"] * 1000 + rows["note"].str.len()

    return Typed()


def _register_matrix(project: Project, spec: EndpointSpec) -> str:
    """Register a version whose input is a matrix of two numbers a row, without names; return its number."""
    import mlflow

    class Sum(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - as above
            return model_input.sum(axis=1)

    rows = np.array([[1.5, 2.0], [3.0, 4.0]])
    signature = mlflow.models.infer_signature(rows, rows.sum(axis=1))
    how = {"python_model": Sum(), "signature": signature, "input_example": rows, "pip_requirements": ["mlflow"]}
    prepared = PreparedModel({"x0": "float", "x1": "float"}, is_estimator=False, arguments=how)
    logged = project.stores.registry.log(
        prepared, model_name=spec.model_name, experiment=spec.name, training_set="none", trainer="none"
    )
    project.stores.deployments.record_version(replace(logged, trained_here=True))
    return logged.version


@contextmanager
def running_bench(folder: Path) -> Iterator[Bench]:
    """Run a gateway with endpoints of every state until the block ends."""
    project = kinds.empty_project(folder)
    specs = {}
    frame = pd.DataFrame(ROWS).assign(
        since=lambda rows: pd.to_datetime(rows["since"], format="ISO8601", utc=True).dt.tz_localize(None)
    )
    for name, more in (("typed", OWN), ("limited", OWN + LIMITED), ("stopped", OWN)):
        specs[name] = kinds.add_endpoint(project, name, more, task="regression")
        version = register_as_own(project, specs[name], _typed(None, None), frame)
        deploy(project.stores, specs[name], version.version, actor="test", reason="test", force=True)
    specs["matrix"] = kinds.add_endpoint(project, "matrix", OWN, task="regression")
    matrix = _register_matrix(project, specs["matrix"])
    deploy(project.stores, specs["matrix"], matrix, actor="test", reason="test", force=True)
    stop(project.stores, specs["stopped"], actor="test", reason="test")
    specs["linear"] = kinds.add_endpoint(project, "linear", EXPLAINED)
    trained = trainers.train_first(
        project.stores, specs["linear"], kinds.training(kinds.numbers(300, seed=1)), kinds.logistic
    )
    deploy(project.stores, specs["linear"], trained.version, actor="test", reason="test", force=True)
    reference_of(project.stores, specs["linear"], trained)
    specs["idle"] = kinds.add_endpoint(project, "idle")
    (project.folder / "endpoints" / "fraud.yaml").write_text(ELSEWHERE)
    wanted = {
        "ann": grant("ann", ["read", "predict"]),
        "bob": grant("bob", ["predict"]),
        "reader": grant("reader", ["operate"]),
        "limited": grant("limited", ["predict"]),
    }
    keys = {
        name: project.stores.keys.create(one, now=project.stores.now(), actor="test") for name, one in wanted.items()
    }
    with running_gateway(project) as gateway:
        yield Bench(gateway, project, specs, keys)
    project.stores.database.close()
