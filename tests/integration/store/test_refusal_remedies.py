"""Who does what a refusal's remedy says gets a version that loads, whatever library it was logged by."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import mlflow.lightgbm
import mlflow.sklearn
import mlflow.statsmodels
import pandas as pd
import pytest
import yaml
from mlflow.models import infer_signature

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.state.release.model_versions import ModelVersion

FRAME = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
LABELS = pd.Series([0.0, 2.0, 4.0, 6.5])
SPEC = EndpointSpec("remedies", "remedies", "regression", "price")
Log = Callable[..., Any]
pytestmark = pytest.mark.filterwarnings("ignore:.*Add type hints")


def linear(folder: Path, **more: Any) -> None:
    """Save scikit-learn's own model."""
    from sklearn.linear_model import LinearRegression

    mlflow.sklearn.save_model(LinearRegression().fit(FRAME, LABELS), folder, **_common(more))


def pickled(folder: Path, **more: Any) -> None:
    linear(folder, **{"serialization_format": "pickle", **more})


def cloudpickled(folder: Path, **more: Any) -> None:
    linear(folder, **{"serialization_format": "cloudpickle", **more})


def of_an_untrusted_type(folder: Path, **more: Any) -> None:
    """Save a pipeline with a function of one's own."""
    import numpy as np
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    model = make_pipeline(FunctionTransformer(np.log1p), LinearRegression()).fit(FRAME, LABELS)
    mlflow.sklearn.save_model(model, folder, **_common({"skops_trusted_types": ["numpy.ufunc"], **more}))


def with_code(folder: Path, **more: Any) -> None:
    """Save scikit-learn's own model with a module beside it."""
    module = folder.parent / "helper_module.py"
    module.write_text("VALUE = 1\n")
    linear(folder, code_paths=[str(module)], **more)


def of_python_code(folder: Path, **more: Any) -> None:
    class Doubled(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            return 2 * model_input["x"]

    mlflow.pyfunc.save_model(folder, python_model=Doubled(), **_common(more))


def of_statsmodels(folder: Path, **more: Any) -> None:
    import statsmodels.api

    mlflow.statsmodels.save_model(statsmodels.api.OLS(LABELS, FRAME).fit(), folder, **_common(more))


def of_lightgbm(folder: Path, **more: Any) -> None:
    import lightgbm

    mlflow.lightgbm.save_model(lightgbm.LGBMRegressor(verbose=-1).fit(FRAME, LABELS), folder, **_common(more))


LOGGED = (pickled, cloudpickled, of_an_untrusted_type, with_code, of_python_code, of_statsmodels, of_lightgbm)
NOT_INSTALLED: Mapping[str, dict[str, Any]] = {"prophet": {"prophet_version": "1.1"}}
"""The flavours of libraries that tests do not install, as MLflow writes them."""


@pytest.mark.parametrize("log", LOGGED, ids=lambda log: log.__name__)
def test_a_refused_version_loads_by_the_hash_that_its_remedy_names(tmp_path: Path, log: Log) -> None:
    log(tmp_path / "model")
    remedy = _refusal(tmp_path / "model").remedy
    assert len(load_model(_version(tmp_path / "model"), _accepting(remedy)).predict(FRAME)) == len(FRAME)


@pytest.mark.parametrize("log", [pickled, cloudpickled], ids=lambda log: log.__name__)
def test_scikit_learns_own_models_load_when_they_are_logged_as_the_remedy_says(tmp_path: Path, log: Log) -> None:
    log(tmp_path / "pickle")
    assert "serialization_format='skops', skops_trusted_types=[...]" in _refusal(tmp_path / "pickle").remedy
    log(tmp_path / "again", serialization_format="skops", skops_trusted_types=[])
    assert len(load_model(_version(tmp_path / "again"), SPEC).predict(FRAME)) == len(FRAME)


def test_a_model_with_code_beside_it_loads_without_it(tmp_path: Path) -> None:
    with_code(tmp_path / "code")
    assert _refusal(tmp_path / "code").remedy.startswith("Log it without code_paths; or, ")
    linear(tmp_path / "plain")
    assert len(load_model(_version(tmp_path / "plain"), SPEC).predict(FRAME)) == len(FRAME)


def test_a_model_of_an_untrusted_type_is_told_what_it_is_already(tmp_path: Path) -> None:
    of_an_untrusted_type(tmp_path / "model")
    refused = _refusal(tmp_path / "model")
    assert "untrusted types: numpy.ufunc" in refused.message
    assert refused.remedy.startswith("Train it without these types; or, ")


def test_a_lightgbm_estimator_loads_when_its_booster_is_logged_as_the_remedy_says(tmp_path: Path) -> None:
    import lightgbm

    of_lightgbm(tmp_path / "estimator")
    assert "mlflow.lightgbm.log_model(model.booster_, metadata=" in _refusal(tmp_path / "estimator").remedy
    booster = lightgbm.LGBMRegressor(verbose=-1).fit(FRAME, LABELS).booster_
    mlflow.lightgbm.save_model(booster, tmp_path / "booster", **_common({}))
    assert len(load_model(_version(tmp_path / "booster"), SPEC).predict(FRAME)) == len(FRAME)


@pytest.mark.parametrize("library", NOT_INSTALLED)
def test_other_libraries_are_not_told_to_use_a_format_that_they_cannot(tmp_path: Path, library: str) -> None:
    folder = _as_logged_by(tmp_path / "model", library)
    refused = _refusal(folder)
    assert "skops" not in refused.remedy
    with pytest.raises(ModelError, match="cannot be loaded") as accepted:
        load_model(_version(folder), _accepting(refused.remedy))
    assert accepted.value.remedy.startswith(f"Install {library} where models are loaded")


def _as_logged_by(folder: Path, library: str) -> Path:
    """Leave a folder as MLflow's flavour of a library does."""
    linear(folder)
    described = yaml.safe_load((folder / "MLmodel").read_text())
    function = {"loader_module": f"mlflow.{library}", "data": "model.bin", "python_version": "3.11"}
    described["flavors"] = {"python_function": function, library: {"data": "model.bin", **NOT_INSTALLED[library]}}
    (folder / "model.bin").write_bytes(b"a model")
    (folder / "MLmodel").write_text(yaml.safe_dump(described))
    return folder


def _common(more: Mapping[str, Any]) -> dict[str, Any]:
    return {"signature": infer_signature(FRAME, LABELS), "pip_requirements": ["mlflow"], **more}


def _refusal(folder: Path) -> ModelError:
    with pytest.raises(ModelError, match="is refused") as refused:
        load_model(_version(folder), SPEC)
    return refused.value


def _accepting(remedy: str) -> EndpointSpec:
    """Return the endpoint with the line of YAML that a remedy says to add."""
    [line] = re.findall(r"'(accept_pickles: \[[0-9a-f]{64}\])'", remedy)
    return replace(SPEC, accept_pickles=tuple(yaml.safe_load(line)["accept_pickles"]))


def _version(folder: Path) -> ModelVersion:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return ModelVersion(
        "remedies", "1", str(folder), {"x": "float"}, None, None, None, now, files_hash=hash_files(folder)
    )
