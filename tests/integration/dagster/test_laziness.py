"""What each face must not import: heavy libraries at load and in a sensor's tick, Dagster outside its own face."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.project import Project, make_project

HEAVY = ("mlflow", "evidently", "sklearn", "pandas")
LOAD = "from modelops_pipelines.definitions import defs\nloaded = defs()\n"
TICK = """
import dagster as dg
from dagster import DagsterInstance
for sensor in loaded.sensors:
    with DagsterInstance.ephemeral() as instance:
        project = loaded.resources["modelops_project"]
        with dg.build_sensor_context(instance=instance, resources={"modelops_project": project}, definitions=loaded) as context:
            said = sensor.evaluate_tick(context)
            assert said.skip_message, said
"""
CLI = """
import importlib
from modelops_pipelines.cli.main import COMMANDS
for module, _ in COMMANDS.values():
    importlib.import_module(f"modelops_pipelines.cli.commands.{module}")
"""
GATEWAY = """
import importlib, pkgutil
import modelops_pipelines.gateway as package
for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(found.name)
"""
CHECKLIST = "import modelops_pipelines.operations.testing.checklist.checklist\n"
LAKE = ("duckdb", "deltalake", "pyarrow", "modelops_pipelines.operations.capture.ingest")
LAYERS = """
import importlib, pkgutil
for layer in ("core", "store", "operations", "platforms", "gateway", "cli"):
    package = importlib.import_module(f"modelops_pipelines.{layer}")
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith(("migrations.env", "templates")) and ".versions" not in found.name:
            importlib.import_module(found.name)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_project(tmp_path_factory.mktemp("lazy"))


@pytest.mark.parametrize(
    ("code", "banned"),
    [
        pytest.param("import modelops_pipelines.definitions\n", HEAVY, id="importing the code location"),
        pytest.param(LOAD, HEAVY, id="loading the code location"),
        pytest.param(LOAD + TICK, HEAVY, id="a tick of every sensor"),
        pytest.param("import modelops_pipelines.cli.main\n", (*HEAVY, "dagster", "fastapi"), id="importing the CLI"),
        pytest.param(CLI, (*HEAVY, "dagster"), id="importing every command"),
        pytest.param(
            "import modelops_pipelines.gateway.server\n", ("dagster", "evidently"), id="importing the gateway"
        ),
        pytest.param(GATEWAY, (*HEAVY, *LAKE, "httpx", "jwt"), id="importing every module of the gateway"),
        pytest.param(CHECKLIST, (*HEAVY, "dagster", "pyarrow"), id="importing the checklist"),
        pytest.param(LAYERS, ("dagster",), id="importing every module but Dagster's face"),
    ],
)
def test_nothing_unwanted_is_imported_by(project: Project, code: str, banned: tuple[str, ...]) -> None:
    assert imported(project, code, banned) == []


def imported(project: Project, code: str, banned: tuple[str, ...]) -> list[str]:
    """Return which of the banned modules a new process that runs the code has imported."""
    ask = f"{code}\nimport sys\nprint('imported', *[name for name in {banned!r} if name in sys.modules])"
    environment = {**os.environ, **project.environment, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ask],
        cwd=Path(ROOT),
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout.strip().splitlines()[-1].split()[1:]
