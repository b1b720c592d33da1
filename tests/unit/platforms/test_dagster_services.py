"""The workspace that `up` writes: a code server for each location that the project's own file loads."""

import sys
from pathlib import Path

import pytest
import yaml

from modelops_pipelines.core.errors import SettingsError
from modelops_pipelines.platforms.dagster_services import LONGEST_SOCKET, write_workspace

TEMPLATE = """\
load_from:
  - python_module:
      module_name: modelops_pipelines.definitions
      location_name: modelops
"""
SEVERAL = """\
load_from:
  - python_module: clinic.definitions
  - python_file: {relative_path: more/defs.py, working_directory: more, attribute: repo}
  - grpc_server: {host: elsewhere, port: 4266, location_name: theirs}
  - python_package: {package_name: lab, executable_path: /opt/python}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def written(home: Path, text: str) -> tuple[list[str], list[dict[str, dict[str, object]]]]:
    (home.parent / "workspace.yaml").write_text(text)
    workspace = write_workspace(home.parent / "workspace.yaml", home)
    commands = [" ".join(server.command[1:]) for server in workspace.code_servers]
    return commands, yaml.safe_load(workspace.file.read_text())["load_from"]


def test_the_template_s_location_has_one_code_server_on_a_socket_in_the_home(home: Path) -> None:
    [command], [entry] = written(home, TEMPLATE)
    server = entry["grpc_server"]
    assert (server["location_name"], server["host"]) == ("modelops", "localhost")
    assert f"code-server start --socket {server['socket']} " in command
    assert command.endswith("--location-name modelops --log-level warning --module-name modelops_pipelines.definitions")


def test_each_kind_of_location_is_loaded_as_dagster_would_and_servers_of_others_are_kept(home: Path) -> None:
    commands, entries = written(home, SEVERAL)
    names = [entry["grpc_server"]["location_name"] for entry in entries]
    assert names == ["clinic.definitions", "defs.py:repo", "theirs", "lab"]
    assert entries[2]["grpc_server"]["host"] == "elsewhere"
    assert len({entry["grpc_server"].get("socket") for entry in entries}) == 4
    file = home.parent / "more" / "defs.py"
    assert commands[1].endswith(f"--python-file {file} --attribute repo --working-directory {file.parent}")
    assert commands[2].endswith("--package-name lab")


def test_a_location_with_a_python_of_its_own_is_served_by_it(home: Path) -> None:
    (home.parent / "workspace.yaml").write_text(SEVERAL)
    servers = write_workspace(home.parent / "workspace.yaml", home).code_servers
    assert [server.command[0] for server in servers] == [sys.executable, sys.executable, "/opt/python"]


def test_a_socket_whose_path_would_be_too_long_is_elsewhere(home: Path) -> None:
    deep = home.joinpath(*["deep" * 10] * 3)
    deep.mkdir(parents=True)
    (home / "workspace.yaml").write_text(TEMPLATE)
    [server] = write_workspace(home / "workspace.yaml", deep).code_servers
    assert len(bytes(server.socket)) <= LONGEST_SOCKET
    assert server.socket.parent.is_dir()


@pytest.mark.parametrize("text", ["", "load_from: 3", "load_from: [a]", "[", "load_from: [{python_module: {}}]"])
def test_a_file_that_is_no_workspace_is_refused_by_name(home: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"workspace.yaml is no workspace of Dagster .* Correct the file"):
        written(home, text)
