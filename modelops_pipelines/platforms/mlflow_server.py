"""MLflow's server in one process: ``python -m modelops_pipelines.platforms.mlflow_server OPTIONS``.

The options are those of ``mlflow server``. That command loads everything, then starts a second process that loads it
again and serves, and waits for it. Here the first one serves: half the memory.
What MLflow sets only for that second process, before it loads (background jobs, a prefix of the addresses, Prometheus),
is left to its own command.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import uvicorn.main  # before MLflow, which protects its pages only where it finds a server loaded

_NEEDS_A_SECOND_PROCESS = ("MLFLOW_STATIC_PREFIX", "MLFLOW_EXPOSE_PROMETHEUS")
_JOBS = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"


def main() -> None:
    """Serve until a signal ends it."""
    import mlflow.server
    from mlflow.cli import cli

    if serves_itself(os.environ):
        mlflow.server._exec_cmd = _serve  # noqa: SLF001 - the one place where it starts the second process
    cli.main(["server", *sys.argv[1:]])


def serves_itself(environment: Mapping[str, str]) -> bool:
    """Return whether one process is enough for what the environment asks of MLflow's server."""
    has_jobs = environment.get(_JOBS, "true").lower() in ("true", "1")
    return not has_jobs and not any(environment.get(name) for name in _NEEDS_A_SECOND_PROCESS)


def _serve(command: Sequence[str], extra_env: Mapping[str, str], **_options: Any) -> NoReturn:
    """Do what the command would do, in this process: run uvicorn, whose options are behind its name."""
    os.environ.update(extra_env)
    arguments = list(command[list(command).index("uvicorn") + 1 :])
    uvicorn.main.main(arguments, prog_name="uvicorn")
    sys.exit(0)


if __name__ == "__main__":
    main()
