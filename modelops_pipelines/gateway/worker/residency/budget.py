"""How many bytes of versions a worker keeps in memory: its part of the gateway's budget."""

from modelops_pipelines.operations.model_runtime.memory import machine_bytes
from modelops_pipelines.store.settings import Settings

MIB = 1024 * 1024
DEFAULT_SHARE = 0.5
"""Without a setting, half of the machine's memory, or of the container's: the rest is for everything else."""


def budget_of(settings: Settings) -> int | None:
    """Return the bytes for one worker; None, no limit, where nothing is set and the system names no memory."""
    if settings.models_mib is not None:
        return settings.models_mib * MIB // settings.workers
    machine = machine_bytes()
    return None if machine is None else int(machine * DEFAULT_SHARE) // settings.workers
