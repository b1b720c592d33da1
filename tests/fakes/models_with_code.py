"""Models that bring their own code along, in each way that MLflow has; the code's modules have the same names in all."""

import sys
from collections.abc import Mapping
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import infer_signature

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.models.output_kinds import UNKNOWN
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.support.project import Project

ONE_INPUT = {"x": "float"}
FRAME = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
LOADER = """\
{imports}
class Model:
    def predict(self, frame):
        {inside}
        return frame["x"].to_numpy() * FACTOR

def _load_pyfunc(path):
    return Model()
"""
SCRIPT = """\
import mlflow
from factors import FACTOR

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["x"].to_numpy() * FACTOR

mlflow.models.set_model(Model())
"""
WAYS = ("code_paths", "package", "model from code", "import at predict time")


def save(folder: Path, way: str, factor: float) -> Path:
    """Save a model that multiplies x by the factor, which stands in a module of its own; return its folder."""
    code, target = folder / "code", folder / "model"
    code.mkdir(parents=True)
    options = {"signature": infer_signature(FRAME, FRAME["x"].to_numpy()), "pip_requirements": ["mlflow"]}
    constant = f"FACTOR = {factor}\n"
    if way == "package":
        package = code / "scaler"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "factors.py").write_text(constant)
        (package / "entry.py").write_text(LOADER.format(imports="from scaler.factors import FACTOR", inside="pass"))
        mlflow.pyfunc.save_model(str(target), loader_module="scaler.entry", code_paths=[str(package)], **options)
        return target
    (code / "factors.py").write_text(constant)
    if way == "model from code":
        (code / "script.py").write_text(SCRIPT)
        _save_script(target, code, options)
        return target
    late = way == "import at predict time"
    line = "from factors import FACTOR"
    (code / "scaling.py").write_text(LOADER.format(imports="" if late else line, inside=line if late else "pass"))
    paths = [str(code / "scaling.py"), str(code / "factors.py")]
    mlflow.pyfunc.save_model(str(target), loader_module="scaling", code_paths=paths, **options)
    return target


def record(
    project: Project, spec: EndpointSpec, number: str, folder: Path, inputs: Mapping[str, str] = ONE_INPUT
) -> ModelVersion:
    """Record a saved model as a version that the project's own training made."""
    version = ModelVersion(
        model_name=spec.model_name,
        version=number,
        artifact_uri=folder.as_uri(),
        inputs=dict(inputs),
        classes=None,
        training_set=None,
        run_id=None,
        registered_at=project.stores.now(),
        output=UNKNOWN,
        files_hash=hash_files(folder),
        trained_here=True,
    )
    project.stores.deployments.record_version(version)
    return version


def _save_script(target: Path, code: Path, options: dict[str, object]) -> None:
    """Save a model from code: MLflow runs the script once, and the module that it imports is forgotten afterwards."""
    sys.path.insert(0, str(code))
    try:
        mlflow.pyfunc.save_model(
            str(target), python_model=str(code / "script.py"), code_paths=[str(code / "factors.py")], **options
        )
    finally:
        sys.path.remove(str(code))
        sys.modules.pop("factors", None)
