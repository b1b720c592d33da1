"""Models of every kind that the gateway tells apart, as trainers, with the rows that they take."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.models.output_kinds import UNKNOWN
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.support.project import Project, make_project
from tests.support.versions import register_as_own

NUMBERS = ("age", "income", "visits", "distance", "balance", "tenure", "points")
SCALES = (40.0, 3e4, 7.0, 0.01, 1e6, 10.0, 1.0)
CITIES = ("Oslo", "Rome", "São Paulo", 'Quote "d", comma', " 42 ", "0", "NA", "null", "東京")
LABEL = "bought"
TRAINING_ROWS = 400
YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: {name}
  model_name: {model}
  task: {task}
  label: bought
  allow_replay: true
"""


def numbers(rows: int, seed: int) -> pd.DataFrame:
    """Return rows of numbers of very different sizes."""
    random = np.random.default_rng(seed)
    return pd.DataFrame({name: random.normal(size=rows) * scale for name, scale in zip(NUMBERS, SCALES, strict=True)})


def mixed(rows: int, seed: int) -> pd.DataFrame:
    """Return rows of numbers and text, some of both missing."""
    random = np.random.default_rng(seed)
    frame = numbers(rows, seed).mask(random.random((rows, len(NUMBERS))) < 0.1)
    cities = np.array([*CITIES, None], dtype=object)
    return frame.assign(city=cities[random.integers(0, len(cities), rows)])


def training(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with a label that depends on them."""
    return frame.assign(**{LABEL: (frame["age"].fillna(0) * 2 + frame["points"].fillna(0) * 40 > 10).astype(int)})


def logistic(frame: Any, context: Any) -> Any:
    """Fit a scaled logistic regression: it multiplies matrices."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(random_state=context.seed))
    return model.fit(frame[list(context.features)], frame[context.label])


def forest(frame: Any, context: Any) -> Any:
    """Fit a random forest."""
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(20, random_state=context.seed)
    return model.fit(frame[list(context.features)], frame[context.label])


def by_name(frame: Any, context: Any) -> Any:
    """Fit a logistic regression on columns that a transformer picks by their names; nulls are welcome."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = ColumnTransformer(
        [
            ("text", OneHotEncoder(handle_unknown="ignore"), ["city"]),
            ("number", make_pipeline(SimpleImputer(), StandardScaler()), list(reversed(NUMBERS))),
        ]
    )
    model = make_pipeline(columns, LogisticRegression(random_state=context.seed))
    return model.fit(frame[list(context.features)], frame[context.label])


def tolerant(frame: Any, context: Any) -> Any:
    """Fit boosted trees on columns picked by name: no number is too large for them, and no text unknown."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    text = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("text", text, ["city"])], remainder="passthrough")
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=5, random_state=context.seed))
    return model.fit(frame[list(context.features)], frame[context.label])


def own(_frame: Any, _context: Any) -> Any:
    """Return a pyfunc of our own, row-wise."""
    import mlflow

    class Own(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature; hints would be taken for a signature
            return 1 / (1 + np.exp(-(model_input["age"] / 40 + model_input["points"] ** 3)))

    return Own()


def two_numbers(_frame: Any, _context: Any) -> Any:
    """Return a pyfunc that answers two numbers a row by their names."""
    import mlflow

    class Two(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - as above
            return pd.DataFrame({"low": model_input["age"], "high": model_input["points"] * 3})

    return Two()


def demeaned(_frame: Any, _context: Any) -> Any:
    """Return a pyfunc whose answer for a row depends on the rows beside it."""
    import mlflow

    class Demeaned(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - as above
            return 1 / (1 + np.exp(-(model_input["age"] - model_input["age"].mean())))

    return Demeaned()


def add_endpoint(
    project: Project, name: str, more: str = "", *, task: str = "binary_classification", model: str = ""
) -> EndpointSpec:
    """Add an endpoint's YAML to the project; ``more`` are further lines of it, ``model`` is its own unless given."""
    path = project.folder / "endpoints" / f"{name}.yaml"
    path.write_text(YAML.format(name=name, model=model or name, task=task) + more)
    return read_endpoint(path)


def put_live(project: Project, spec: EndpointSpec, frame: pd.DataFrame, trainer: Any) -> ModelVersion:
    """Train a version, register it and deploy it."""
    version = trainers.train_first(project.stores, spec, frame, trainer)
    deploy(project.stores, spec, version.version, actor="test", reason="test", force=True)
    return version


def empty_project(folder: Path, **environment: str) -> Project:
    """Make a project without an endpoint."""
    project = make_project(folder, **environment)
    (project.folder / "endpoints" / "endpoint.yaml").unlink()
    return project


def typed(rows: int = 2) -> pd.DataFrame:
    """Return rows with a column of every type that a signature may have."""
    return pd.DataFrame(
        {
            "number": [0.5] * rows,
            "whole": [1] * rows,
            "flag": [True] * rows,
            "word": ["a"] * rows,
            "moment": pd.to_datetime(["2026-01-01T00:00:00"] * rows),
        }
    )


def echo() -> Any:
    """Return a pyfunc that answers with what it was given, as text."""
    import mlflow

    class Echo(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - as above
            rows = zip(*(model_input[name].tolist() for name in model_input.columns), strict=True)
            return np.array([" | ".join(map(str, row)) for row in rows], dtype=object)

    return Echo()


def put_live_as_it_is(project: Project, spec: EndpointSpec, frame: pd.DataFrame, model: Any) -> ModelVersion:
    """Register a model with the frame's own types (training makes every number a float), and deploy it."""
    stores = project.stores
    version = register_as_own(project, spec, model, frame)
    deploy(stores, spec, version.version, actor="test", reason="test", force=True)
    return version


def version_of(model_name: str, number: str, output: str = UNKNOWN) -> ModelVersion:
    """Return a version that is nowhere but in memory."""
    return ModelVersion(model_name, number, "nowhere", {}, None, None, None, datetime(2026, 1, 1, tzinfo=UTC), output)


def log_of(project: Project, spec: EndpointSpec) -> Any:
    """Return the declaration of an endpoint's log, with its features."""
    from modelops_pipelines.operations.lake.endpoint_tables import log_table

    return log_table(project.stores, spec)
