"""A run's process: Dagster's own command, which looks for no cyclic garbage until it has loaded its code.

A run makes half a million objects that stay, by its imports alone. Python would look through those made last after each
700, through all of them every now and then, and once more as it ends: a quarter of the CPU of a short run.

With the number of a socket it imports for many runs, and forks their processes (``run_forks``).
"""

import gc
import socket
import sys
from importlib import import_module

ALLOCATIONS = 50_000
"""Objects that are made, less those that are gone, before cyclic garbage is looked for."""
_BY_EACH = (
    "dagster._cli",
    "dagster._daemon",
    "deltalake",
    "duckdb",
    "modelops_pipelines.definitions",
    "modelops_pipelines.resources.dagster_storage",
    "upath",
)
"""What every run's process imports, most of it through these; pandas is not among it."""


def main() -> None:
    """Run Dagster's command line, whose arguments are this process's; or be a process that forks such ones."""
    gc.disable()
    match sys.argv[1:]:
        case [number] if number.isdigit():
            _fork_runs(socket.socket(fileno=int(number)))
    from dagster._cli import main as dagster

    dagster()  # type: ignore[no-untyped-call]


def _fork_runs(control: socket.socket) -> None:
    from modelops_pipelines.resources.run_forks import serve

    for name in _BY_EACH:
        import_module(name)
    gc.freeze()  # a look for garbage would copy what the processes share
    sys.argv = ["dagster", *serve(control)]


def collect_from_now_on() -> None:
    """Look for cyclic garbage among what is made from now on, where it is not looked for yet: the code is loaded."""
    if not gc.isenabled():
        gc.freeze()
        gc.set_threshold(ALLOCATIONS)
        gc.enable()


if __name__ == "__main__":
    main()
