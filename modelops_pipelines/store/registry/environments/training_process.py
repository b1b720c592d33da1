"""A trainer's process in its environment, from this side: what it is told, how it is started, and how it ended."""

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from modelops_pipelines.store.registry.environments.environment_use import in_use
from modelops_pipelines.store.registry.environments.own_code import command_in
from modelops_pipelines.store.registry.environments.training_exchange import ORDER, OUTCOME, TrainingOrder

_TRAINING = "modelops_pipelines.operations.model_runtime.environment.training"
_SET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
_PYTHONS_OWN = "PYTHON"
"""Variables for this project's Python are not for the environment's."""


@dataclass(frozen=True)
class TrainingOutcome:
    """How a trainer's process ended: the kind, None where it said nothing, and what it said, which is quoted.

    ``exit`` is its exit code, negative for a signal.
    """

    kind: str | None
    text: str
    exit: int


def run_trainer(environment: Path, folder: Path, order: TrainingOrder) -> TrainingOutcome:
    """Run a trainer in the environment until it ends; its values are in the folder already, as ``value_files`` writes.

    What it prints goes where this process prints. While it runs the environment is not removed.
    """
    (folder / ORDER).write_text(json.dumps(asdict(order), default=str))
    command = command_in(environment, _TRAINING, str(folder), options=("-u",))
    with in_use(environment) as kept:
        ended = subprocess.run(command, env=_variables(), pass_fds=kept, stdin=subprocess.DEVNULL, check=False)
    try:
        outcome = json.loads((folder / OUTCOME).read_bytes())
        return TrainingOutcome(str(outcome["kind"]), str(outcome["text"]), ended.returncode)
    except (OSError, ValueError, LookupError, TypeError):
        return TrainingOutcome(None, "", ended.returncode)


def _variables() -> dict[str, str]:
    """Return the variables of this process, which has none of our secrets: a trainer's are its user's."""
    return {**{name: one for name, one in os.environ.items() if not name.startswith(_PYTHONS_OWN)}, **_SET}
