"""A process that forks others as those of runs are forked; each tells what it is, and ends when it is told to.

``python -m tests.fakes.forked_runs SOCKET``. It imports the module that the variable ``IMPORTED`` names, and ends when it is idle
for the seconds of ``IDLE``. The arguments of a "run" are a file to write to, and a file to wait for.
"""

import json
import os
import signal
import socket
import sys
import time
from importlib import import_module
from pathlib import Path

from modelops_pipelines.resources.run_forks import serve


def main() -> None:
    """Fork until nobody wants any more; be one of the forked."""
    if name := os.environ.get("IMPORTED"):
        import_module(name)
    told, awaited = serve(socket.socket(fileno=int(sys.argv[1])), float(os.environ.get("IDLE", "600")))
    said = {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "parent": os.getppid(),
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
        "collects": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
        "descriptors": [str(one) for one in Path("/proc/self/fd").iterdir() if _is_socket(one)],
    }
    Path(f"{told}.new").write_text(json.dumps(said))
    Path(f"{told}.new").rename(told)
    while not Path(awaited).exists():
        time.sleep(0.01)


def _is_socket(path: Path) -> bool:
    try:
        return str(path.readlink()).startswith("socket:")
    except OSError:
        return False


if __name__ == "__main__":
    main()
