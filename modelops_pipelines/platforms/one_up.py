"""Only one ``modelops up`` runs on a home; what it runs, and how that is, stands in a file that ``doctor`` reads."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modelops_pipelines.core.errors import BusyError, ConflictError
from modelops_pipelines.platforms.service import Service
from modelops_pipelines.store.filesystem.files import exclusive, write_atomically
from modelops_pipelines.store.filesystem.process_identity import is_gone, process_id, this_process


def states_file(home: Path) -> Path:
    """Return the file with the states of the services that run on a home."""
    return home / "services.json"


@contextmanager
def only_one_up(home: Path) -> Iterator[None]:
    """Be the only ``up`` of a home while the block runs; raises ConflictError, with the process that is it already.

    The kernel frees the lock when the process dies, however it does.
    """
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(home / "locks" / "up.lock", "modelops up", seconds=0))
        except BusyError as error:
            raise _already(home) from error
        write_states(home, [])
        try:
            yield
        finally:
            states_file(home).unlink(missing_ok=True)


def refuse_second(home: Path) -> None:
    """Raise ConflictError while an ``up``, or a demo, runs on the home."""
    if read_states(home) is not None:
        raise _already(home)


def write_states(home: Path, services: Sequence[Service]) -> None:
    """Write the services with their states, as this process's."""
    rows = [
        {
            "name": service.name,
            "process": service.process.pid,
            "state": service.state,
            "since": service.since.isoformat(timespec="seconds"),
            "ended_times": service.ended_times,
            "last_end": service.last_end,
        }
        for service in services
    ]
    written = datetime.now(UTC).isoformat(timespec="seconds")
    known = {"home": str(home), "owner": this_process(), "written": written, "services": rows}
    write_atomically(states_file(home), json.dumps(known, indent=1).encode())


def read_states(home: Path) -> dict[str, Any] | None:
    """Return what runs on a home: ``process`` of ``up``, and its ``services``; None where no ``up`` runs.

    The file in a copy of a home tells of the ``up`` of the home that it was copied from.
    """
    try:
        known = json.loads(states_file(home).read_bytes())
        gone = is_gone(known["owner"]) or known.get("home", str(home)) != str(home)
        return None if gone else {"process": process_id(known["owner"]), "services": known["services"]}
    except (OSError, ValueError, LookupError, TypeError):
        return None


def sentence_of(service: Mapping[str, Any]) -> str:
    """Return a service's state, as ``read_states`` gives it, in words."""
    said = f"{service['name']} {service['state']} since {service['since']}"
    if service["ended_times"]:
        said += f", ended {service['ended_times']} time(s), last: {service['last_end']}"
    return said


def _already(home: Path) -> ConflictError:
    known = read_states(home)
    who = f"process {known['process']}" if known else "another process"
    stop = f"kill {known['process']}" if known else "kill it"
    return ConflictError(
        f"modelops up already runs on {home} ({who})",
        f"Stop that one first (Ctrl-C in its terminal, or {stop}), or set MODELOPS_HOME to another folder",
    )
