"""A version that answers in a process of its own sees no secret of the gateway's environment, by any way of asking."""

import json
import os
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.gateway.version_process.answering import Order
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.setting_names import SECRET_VARIABLES
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes import models_with_code as own
from tests.support.paths import ROOT

MODEL = """\
import json, os, subprocess
from pathlib import Path

def tell(moment):
    said = {
        "own": dict(os.environ),
        "child": subprocess.run(["env"], capture_output=True, text=True).stdout,
        "proc": Path("/proc/self/environ").read_bytes().decode(),
    }
    Path(os.environ["TOLD_TO"], f"{moment}.json").write_text(json.dumps(said))

class Model:
    def predict(self, frame):
        tell("answering")
        return frame["x"].to_numpy() * 2

def _load_pyfunc(path):
    tell("loading")
    return Model()
"""
WORKER = """\
import os, pickle, sys
from pathlib import Path
from modelops_pipelines.gateway.version_process.launcher import Launcher, fork_launcher
from modelops_pipelines.gateway.version_process.version_process import VersionProcess

if sys.argv[2] == "forked":
    fork_launcher()
launcher = Launcher()
process = VersionProcess(pickle.loads(Path(sys.argv[1]).read_bytes()), launcher, lambda *_: None)
assert [4.0] == process.predict({"x": [2.0]}).tolist()
process.close()
launcher.close()
assert "hidden-0" == os.environ["MODELOPS_STATE_URL"]
"""
SECRETS = {name: f"hidden-{number}" for number, name in enumerate((*SECRET_VARIABLES, "GATE_KEY", "DB_PASSWORD"))}
SECRETS |= {"OPS": "https://hooks.example.com/services/T012/hidden0a1b2c3d4e5f6a7b8c9d0"}


@pytest.mark.parametrize("launched", ["forked", "started anew"])
def test_a_version_sees_no_secret_of_its_gateway_and_all_else(tmp_path: Path, launched: str) -> None:
    (tmp_path / "order").write_bytes(pickle.dumps(order(tmp_path)))
    given = {"TOLD_TO": str(tmp_path), "FOREST": "of the model", "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, **SECRETS, **given}
    subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path / "order"), launched], env=environment, cwd=tmp_path, check=True
    )
    for moment in ("loading", "answering"):
        told = (tmp_path / f"{moment}.json").read_text()
        said = json.loads(told)
        assert "hidden" not in told
        assert [] == [name for name in SECRETS if name in said["own"] or f"{name}=" in said["child"] + said["proc"]]
        assert "of the model" == said["own"]["FOREST"]
        assert "FOREST=of the model" in said["child"]
        assert "FOREST=of the model" in said["proc"]


def order(folder: Path) -> Order:
    import mlflow
    from mlflow.models import infer_signature

    code, model = folder / "telling_model.py", folder / "model"
    code.write_text(MODEL)
    signature = infer_signature(own.FRAME, own.FRAME["x"].to_numpy())
    mlflow.pyfunc.save_model(
        str(model),
        loader_module="telling_model",
        code_paths=[str(code)],
        signature=signature,
        pip_requirements=["mlflow"],
    )
    version = ModelVersion("telling", "1", model.as_uri(), {"x": "float"}, None, None, None, datetime.now(UTC))
    spec = EndpointSpec("telling", "telling", "regression", "y", accept_pickles=(hash_files(model),))
    return Order("test", version, spec)
