"""What a run's process has to load of the code location: told by the launcher, obeyed by ``definitions``."""

from collections.abc import Collection
from dataclasses import asdict, dataclass

import orjson
from dagster import DagsterRun
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.assets.job.asset_job import is_reserved_asset_job_name
from dagster._core.origin import JobPythonOrigin
from dagster._core.storage.tags import PARTITION_NAME_TAG

KIND_TAG, MONITORING = "modelops/kind", "monitoring"
ENDPOINT_PREFIX = "modelops.endpoint/"
"""A monitoring run has a tag of this prefix for each of its endpoints."""
SLOW_TAG, SLOW_PREFIX = "modelops/slow", "modelops.slow/"
"""A run in which an endpoint was out of time has the tag, and one of the prefix for each such endpoint."""
VARIABLE = "MODELOPS_RUN_SCOPE"
CODE_LOCATION = "modelops_pipelines.definitions"


@dataclass(frozen=True)
class RunScope:
    """The endpoints of a run, None for all; with ``assets`` it is a run of their assets, else of a job without any.

    With ``monitoring`` it computes monitored tables and nothing else.
    """

    endpoints: Collection[str] | None
    assets: bool
    monitoring: bool = False

    @classmethod
    def of(cls, run: DagsterRun, origin: JobPythonOrigin) -> "RunScope | None":
        """Return the scope of a run; None where it has to load everything: a code location of the user's, for one."""
        pointer = origin.repository_origin.code_pointer
        if not isinstance(pointer, ModuleCodePointer) or pointer.module != CODE_LOCATION:
            return None
        if is_reserved_asset_job_name(run.job_name):
            names = sorted({key.path[0] for key in run.asset_selection or ()})
            return cls(names, True, run.tags.get(KIND_TAG) == MONITORING) if names else None
        partition = run.tags.get(PARTITION_NAME_TAG)
        return cls([partition] if partition else None, False)

    @classmethod
    def read(cls, text: str | None) -> "RunScope | None":
        """Return the scope that ``text`` says; None without one."""
        return cls(**orjson.loads(text)) if text else None

    def text(self) -> str:
        """Return the scope as text for the process."""
        return orjson.dumps(asdict(self)).decode()
