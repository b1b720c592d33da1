"""The commands of ``dg`` find the component, scaffold it and check what was scaffolded, as a user has them."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.worlds.user_project import UserProject, user_project

SECONDS = 240
GROUP = "dagster_dg_cli.registry_modules"


def run_dg(project: UserProject, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ``dg`` in the project's folder, with our package installed as its pyproject.toml says."""
    installed = project.folder / "installed" / "ours-1.0.dist-info"
    installed.mkdir(parents=True, exist_ok=True)
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{GROUP}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()))
    (project.folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    path = f"{ROOT}:{project.defs.parents[1]}:{installed.parent}"
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", "DAGSTER_HOME": str(project.folder)}
    environment |= {"DG_CLI_CONFIG": str(project.folder / "none.toml"), "HOME": str(project.folder)}
    code = "from dagster_dg_cli.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=project.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.mark.slow
def test_dg_lists_scaffolds_and_checks_an_endpoint_without_an_edit(tmp_path: Path) -> None:
    with user_project(tmp_path, {}) as project:
        listed = run_dg(project, "list", "components", "--json")
        assert listed.returncode == 0, listed.stderr
        found = {one["key"]: one for one in json.loads(listed.stdout[listed.stdout.index("{") :])["items"]}
        assert "A model in production" in found["modelops_pipelines.ModelEndpoint"]["summary"]
        made = run_dg(project, "scaffold", "defs", "modelops_pipelines.ModelEndpoint", "Late-Flights")
        assert made.returncode == 0, made.stderr
        assert "name: late_flights" in (project.defs / "Late-Flights" / "defs.yaml").read_text()
        for what in ("yaml", "defs"):
            checked = run_dg(project, "check", what)
            assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
def test_dg_refuses_what_cannot_be_an_endpoint_before_it_writes_and_afterwards(tmp_path: Path) -> None:
    with user_project(tmp_path, {}) as project:
        component = "modelops_pipelines.ModelEndpoint"
        refused = run_dg(project, "scaffold", "defs", component, "flights", "--task", "regresion")
        assert refused.returncode != 0
        assert "Did you mean 'regression'?" in refused.stderr
        assert not (project.defs / "flights").exists()
        project.add({"flights/defs.yaml": f"type: {component}\nattributes: {{name: flights, windw: day, task: 5}}\n"})
        checked = run_dg(project, "check", "yaml")
        assert checked.returncode != 0
        said = checked.stdout + checked.stderr
        for culprit in ("windw", "label"):
            assert culprit in said
