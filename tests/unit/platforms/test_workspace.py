"""A project without a workspace of its own has that of a new project: the endpoints' files alone."""

from pathlib import Path

import yaml

from modelops_pipelines.platforms.dagster_services import write_workspace
from modelops_pipelines.platforms.local import LocalPlatform
from modelops_pipelines.store.settings import load_settings

OWN = "load_from:\n  - python_file: {relative_path: mine.py}\n"


def entries(folder: Path) -> list[str]:
    """Return the names of the code locations that a platform in this folder would start."""
    platform = LocalPlatform(load_settings(folder, {}), folder)
    (folder / "dagster").mkdir()
    written = write_workspace(platform._workspace(), folder / "dagster")
    return [entry["grpc_server"]["location_name"] for entry in yaml.safe_load(written.file.read_text())["load_from"]]


def test_without_a_workspace_the_endpoints_files_are_loaded(tmp_path: Path) -> None:
    assert ["modelops"] == entries(tmp_path)
    assert not (tmp_path / "workspace.yaml").exists()


def test_a_workspace_of_one_s_own_is_kept_to(tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").write_text(OWN)
    assert ["mine.py"] == entries(tmp_path)
