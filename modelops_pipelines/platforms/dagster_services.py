"""The commands of Dagster's processes: a code server per location of the project, the webserver and the daemon.

``dagster dev`` would start them too, and end them all when one ends; here each is started again by itself.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelops_pipelines.core.errors import SettingsError

CODE_SERVER = "dagster-code"
LONGEST_SOCKET = 100
"""Bytes of a socket's path; the kernel takes no more than 107."""
_KINDS = {
    "python_module": ("module_name", "--module-name"),
    "python_file": ("relative_path", "--python-file"),
    "python_package": ("package_name", "--package-name"),
}
_OPTIONS = {"attribute": "--attribute", "working_directory": "--working-directory"}


@dataclass(frozen=True)
class CodeServer:
    """A process that serves one code location on a socket."""

    name: str
    socket: Path
    command: Sequence[str]


@dataclass(frozen=True)
class Workspace:
    """The workspace that the webserver and the daemon read: it points to the code servers."""

    file: Path
    code_servers: Sequence[CodeServer]


def write_workspace(source: Path, home: Path) -> Workspace:
    """Write Dagster's workspace to its home, with a code server for each location that the project's own file loads.

    Entries of other kinds, such as ``grpc_server``, are kept. Raises SettingsError when the file cannot be read.
    """
    import yaml

    servers: list[CodeServer] = []
    entries: list[Mapping[str, Any]] = []
    for entry in _entries(source):
        kind = next(iter(entry))
        if kind not in _KINDS:
            entries.append(entry)
            continue
        name = f"{CODE_SERVER}-{len(servers) + 1}" if servers else CODE_SERVER
        socket, location = _socket(home, name), entry[kind]
        servers.append(CodeServer(name, socket, _command(kind, location, socket)))
        about = {"location_name": location["location_name"], "socket": str(socket), "host": "localhost"}
        entries.append({"grpc_server": {**about, "additional_metadata": _metadata(location)}})
    file = home / "workspace.yaml"
    file.write_text(yaml.safe_dump({"load_from": entries}))
    return Workspace(file, servers)


def webserver_command(workspace: Path, host: str, port: int) -> list[str]:
    """Return the command of Dagster's webserver."""
    options = ["-w", str(workspace), "-h", host, "-p", str(port), "--dagster-log-level", "warning"]
    return [sys.executable, "-m", "dagster_webserver", *options]


def make_storage_command() -> list[str]:
    """Return the command that makes the databases of ``DAGSTER_HOME``, or migrates them."""
    code = (
        "from dagster import DagsterInstance\n"
        "with DagsterInstance.get() as instance:\n"
        "    instance.run_storage, instance.event_log_storage, instance.schedule_storage\n"
    )
    return [sys.executable, "-c", code]


def reload_command(sockets: Sequence[Path], seconds: int) -> list[str]:
    """Return the command that has code servers load their code again; each serves what it has until then."""
    code = (
        "import sys\n"
        "from dagster._grpc.client import DagsterGrpcClient\n"
        "for socket in sys.argv[2:]:\n"
        "    DagsterGrpcClient(socket=socket).reload_code(int(sys.argv[1]))\n"
    )
    return [sys.executable, "-c", code, str(seconds), *map(str, sockets)]


def daemon_command(workspace: Path) -> list[str]:
    """Return the command of Dagster's daemon."""
    return [sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace), "--log-level", "warning"]


def _entries(source: Path) -> Sequence[Mapping[str, Any]]:
    import yaml

    try:
        loaded = yaml.safe_load(source.read_text())
        return [_entry(kind, given, source.parent) for entry in loaded["load_from"] for kind, given in entry.items()]
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError) as error:
        problem = " ".join(str(error).split())
        raise SettingsError(
            f"{source} is no workspace of Dagster ({problem})",
            "Correct the file: load_from lists locations, such as python_module: modelops_pipelines.definitions",
        ) from error


def _entry(kind: str, given: Any, folder: Path) -> Mapping[str, Any]:
    return {kind: _location(kind, given, folder) if kind in _KINDS else given}


def _location(kind: str, given: Any, folder: Path) -> dict[str, Any]:
    """Return a location's settings by name, with the name that Dagster gives it by default."""
    key, _ = _KINDS[kind]
    location = {key: given} if isinstance(given, str) else dict(given)
    shown = Path(location[key]).name if kind == "python_file" else location[key]
    attribute = location.get("attribute")
    location.setdefault("location_name", f"{shown}:{attribute}" if attribute else shown)
    for path in ("relative_path", "working_directory"):
        if path in location:
            location[path] = str((folder / location[path]).resolve())
    return location


def _command(kind: str, location: Mapping[str, Any], socket: Path) -> list[str]:
    key, option = _KINDS[kind]
    more = [part for name, flag in _OPTIONS.items() if name in location for part in (flag, str(location[name]))]
    python = str(location.get("executable_path", sys.executable))
    named = ["--location-name", str(location["location_name"]), "--log-level", "warning"]
    server = [python, "-m", "dagster", "code-server", "start", "--socket", str(socket)]
    return [*server, "--use-python-environment-entry-point", *named, option, str(location[key]), *more]


def _metadata(location: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in location.items() if name != "location_name"}


def _socket(home: Path, name: str) -> Path:
    """Return the path of a code server's socket: in Dagster's home, or in a new folder where that path is too long."""
    path = home / f"{name}.sock"
    if len(bytes(path)) <= LONGEST_SOCKET:
        return path
    return Path(tempfile.mkdtemp(prefix="modelops-")) / path.name
