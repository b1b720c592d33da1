"""What lineage answers: why a version is as it is, and where a piece of feedback went. Values only.

A part that is not known is None or empty, and ``unknown`` says why, by the part's name: a missing record is never shown
as "nothing".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from modelops_pipelines.core.improve.guards.results import verdict_in_words


@dataclass(frozen=True)
class Placed:
    """A version in the traffic of an endpoint: its role, and its share in percent."""

    endpoint: str
    version: str
    role: str
    share: int
    status: str


@dataclass(frozen=True)
class SetSummary:
    """A training set: its hash, its base, its rows, and what was known when it was built.

    ``tables`` are the versions of the lake's tables that it was read from.
    """

    content_hash: str
    endpoint: str
    base_hash: str | None
    rows: int
    built_at: datetime
    as_of: datetime | None
    tables: Mapping[str, int]
    code_hash: str | None
    yaml_hash: str | None


@dataclass(frozen=True)
class Counted:
    """How many rows of a set have a value, such as one source of labels or one author."""

    name: str
    rows: int


@dataclass(frozen=True)
class Sources:
    """Where the rows of a set came from. ``authors`` and ``keys`` are those with most rows; both counts are of all."""

    by_origin: Sequence[Counted]
    label_sources: Sequence[Counted]
    authors: Sequence[Counted]
    author_count: int
    keys: Sequence[Counted]
    key_count: int
    left_out: Sequence[Counted]


@dataclass(frozen=True)
class FeedbackIds:
    """Feedback whose label counts in a set: a page in order of the ids, the number of all, and where to go on."""

    ids: Sequence[str]
    total: int
    next_cursor: str | None


@dataclass(frozen=True)
class Check:
    """A guard's verdict on a set; ``passed`` is None where it was not judged, and the message says why.

    ``accepted_by`` is the person who let a set be trained on although it failed, for the reason ``accepted_for``.
    """

    guard: str
    passed: bool | None
    blocking: bool
    message: str
    numbers: Mapping[str, Any]
    at: datetime
    accepted_by: str | None
    accepted_for: str | None

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        return verdict_in_words(self.passed, self.accepted_by, self.accepted_for, blocking=self.blocking)


@dataclass(frozen=True)
class Attempt:
    """One attempt to train: by which trainer and settings, how long it took, and how it ended."""

    candidate: str
    attempt: int
    status: str
    failure: str | None
    version: str | None
    seconds: float | None
    peak_mib: float | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class Signal:
    """An alert that was open when a retraining started."""

    alert: int
    rule: str
    kind: str
    message: str
    opened_at: datetime
    resolved_at: datetime | None
    acknowledged_by: str | None


@dataclass(frozen=True)
class Start:
    """The retraining that a version came from, and what started it.

    ``evidence`` are the recorded signals with their numbers; ``alerts`` those that it names, or else the drift and
    quality alerts that were open.
    """

    retraining: int
    at: datetime
    reason: str
    evidence: Mapping[str, Any] | None
    alerts: Sequence[Signal]


@dataclass(frozen=True)
class Verdict:
    """A verdict of the gate, with all its numbers."""

    verdict: str
    champion: str | None
    at: datetime
    numbers: Mapping[str, Any]


@dataclass(frozen=True)
class TrialVerdict:
    """A verdict on the version while it had a share of the traffic."""

    verdict: str
    share: int
    at: datetime
    numbers: Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """A change of what an endpoint serves, or of the version, by whom and why."""

    number: int
    endpoint: str
    at: datetime
    actor: str
    action: str
    from_version: str | None
    to_version: str
    reason: str
    share: int


@dataclass(frozen=True)
class Person:
    """Somebody who had a part in a version: who, what they did, and how often, or with how many rows of its set."""

    name: str
    did: str
    times: int | None
    rows: int | None = None


@dataclass(frozen=True)
class Why:
    """Why a version is as it is."""

    endpoint: str
    model_name: str
    version: str
    registered_at: datetime | None
    run_id: str | None
    trained_here: bool | None
    trust: str | None
    training_set: SetSummary | None
    sources: Sources | None
    feedback: FeedbackIds | None
    checks: Sequence[Check]
    attempts: Sequence[Attempt]
    started_by: Start | None
    gate: Sequence[Verdict]
    trials: Sequence[TrialVerdict]
    changes: Sequence[Change]
    people: Sequence[Person]
    live: Sequence[Placed]
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Acceptance:
    """A piece of feedback was accepted as a label."""

    label: str
    at: datetime
    actor: str


@dataclass(frozen=True)
class FeedbackStep:
    """What a person did with a piece of feedback."""

    at: datetime
    actor: str
    action: str


@dataclass(frozen=True)
class SetHolding:
    """A set that has read the prediction of a piece of feedback.

    ``counts``: the feedback's own label is the one in the set. If not, ``origin`` and ``source_id`` say which label is,
    or ``left_out`` why the row is not in the set.
    """

    content_hash: str
    built_at: datetime
    position: int | None
    counts: bool
    origin: str
    source_id: str | None
    left_out: str | None


@dataclass(frozen=True)
class TrainedVersion:
    """A version that was trained on a set in which the feedback counts."""

    version: str
    training_set: str
    registered_at: datetime
    verdict: str | None
    changes: Sequence[Change]
    live: Sequence[Placed]


@dataclass(frozen=True)
class Where:
    """Where a piece of feedback went."""

    endpoint: str
    feedback_id: str
    prediction_id: str | None
    event_time: datetime | None
    received_at: datetime | None
    answered_by: str | None
    deleted_at: datetime | None
    is_deleted: bool
    accepted: Acceptance | None
    steps: Sequence[FeedbackStep]
    sets: Sequence[SetHolding]
    versions: Sequence[TrainedVersion]
    live: Sequence[Placed]
    unknown: Mapping[str, str] = field(default_factory=dict)
