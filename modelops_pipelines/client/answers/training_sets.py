"""Training sets, and what each was made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelops_pipelines.client.answers.result import Result


@dataclass(frozen=True)
class TrainingSet(Result):
    """A training set. Numbers are null for a set that release 0.3 or an earlier one has built."""

    content_hash: str
    """SHA-256 of its rows in order."""
    at: datetime
    """When it was built first."""
    as_of: datetime | None
    """Only what was known by then is in it; null: all that was known."""
    rows: int
    provided: int | None
    """Rows of the first frame."""
    left_out: int | None
    """Input rows that are not in it."""


@dataclass(frozen=True)
class TrainingSetDetails(TrainingSet):
    """A training set with what it was made of."""

    base_hash: str | None
    """The set whose provided rows it has."""
    labels_seen: int
    watermark: datetime | None
    """Latest event time when it was built."""
    frozen: bool
    """Whether its rows are kept; false: past its retention."""
    versions: tuple[str, ...]
    """Versions that were trained on it."""
    checks: tuple[Mapping[str, Any], ...]
    """The guards' verdicts; empty before a retraining judged it."""
    manifest: Mapping[str, Any] | None
    """Tables' versions, hashes of code and YAML, policy, counts."""
    origins: str
    """Where its rows came from, as recorded: unchanged, changed, or not recorded."""
    erasures: tuple[Mapping[str, Any], ...]
    """Erasures of users whose rows it holds."""
