"""A trainer whose module needs a service that does not answer until it was asked often enough."""

from pathlib import Path
from typing import Any

from modelops_pipelines.core.errors import RegistryError
from tests.fakes.trainers import logistic

ASKED = Path("asked")
_TIMES = len(ASKED.read_text()) if ASKED.exists() else 0
ASKED.write_text("x" * (_TIMES + 1))
if _TIMES + 1 < int(Path("answers_at").read_text()):
    raise RegistryError("The feature service does not answer", "Start it")


def train(frame: Any, context: Any) -> Any:
    """Train as soon as the service answers."""
    return logistic(frame, context)
