"""Why a version is as it is, and where feedback went. Their parts are declared in ``core.improve.lineage.answers``."""

from dataclasses import dataclass

from modelops_pipelines.client.answers.result import Result
from modelops_pipelines.core.improve.lineage import answers


@dataclass(frozen=True)
class Why(Result, answers.Why):
    """Why a version is as it is."""


@dataclass(frozen=True)
class Where(Result, answers.Where):
    """Where a piece of feedback went."""
