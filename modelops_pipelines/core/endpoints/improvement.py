"""What an endpoint's YAML says about labels, feedback, reviews, training sets and retraining, with defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, get_args

SourceKind = Literal["files", "sql", "delta"]
LabelOrigin = Literal["review", "label", "feedback"]
ConflictRule = Literal["priority", "newest", "majority"]
Acceptance = Literal["accepted", "corrected", "none"]
Duplicates = Literal["keep", "drop"]
Weighting = Literal["none", "balance", "age", "propensity"]
GuardMode = Literal["block", "warn", "off"]
Signal = Literal["quality", "harmful_drift", "age"]
ReviewReason = Literal["flagged", "disagreeing", "uncertain", "costly", "random"]

SOURCE_KINDS: tuple[str, ...] = get_args(SourceKind)
LABEL_ORIGINS: tuple[str, ...] = get_args(LabelOrigin)
CONFLICT_RULES: tuple[str, ...] = get_args(ConflictRule)
ACCEPTANCES: tuple[str, ...] = get_args(Acceptance)
DUPLICATES: tuple[str, ...] = get_args(Duplicates)
WEIGHTINGS: tuple[str, ...] = get_args(Weighting)
GUARD_MODES: tuple[str, ...] = get_args(GuardMode)
SIGNALS: tuple[str, ...] = get_args(Signal)
REVIEW_REASONS: tuple[str, ...] = get_args(ReviewReason)

SET_GUARDS = ("share_of_one", "label_flips", "selection", "class_balance", "leakage", "duplicates", "text")
"""The checks on a training set, each of which may block."""


@dataclass(frozen=True)
class LabelSource:
    """Where labels come from, beside the gateway's route; read again and again, each row once.

    ``files``: ``path`` is a pattern of CSV, Parquet and JSON-lines files. ``delta``: ``path`` is a table. ``sql``:
    ``query`` is one SELECT, or a file with one, on the database whose URL the environment variable ``url_env`` has;
    without it, on DuckDB. ``label`` and ``labelled_at`` are columns; without the latter a label counts from when it was
    read.

    A row finds its prediction by one of three keys: the column ``prediction_id``; the column ``request_id`` with the
    caller's own request id, and ``row`` with the row in that request (0 without it); or the columns ``entity``, named
    alike in the log, with the newest prediction at most ``within`` before the column ``time``.

    ``cursor`` is a column that grows: only rows with a larger value, or within ``overlap`` below it, are read again.
    """

    name: str
    kind: str
    path: str | None = None
    query: str | None = None
    url_env: str | None = None
    label: str = "label"
    labelled_at: str | None = None
    prediction_id: str | None = None
    request_id: str | None = None
    row: str | None = None
    entity: tuple[str, ...] = ()
    time: str | None = None
    within: timedelta = timedelta(days=1)
    cursor: str | None = None
    overlap: timedelta | None = None


@dataclass(frozen=True)
class TrainingPolicy:
    """Which labels and rows a training set has.

    ``labels`` are the origins that count, the most trusted first. Where a prediction has several labels, ``conflict``
    decides: ``priority`` (the most trusted origin, then the newest), ``newest``, or ``majority`` (ties: priority).
    ``feedback`` says which feedback is a label: what a person ``accepted``, every ``corrected`` label, or ``none``.
    ``duplicates`` drop: of rows with the same features and label the oldest stays. ``weights`` are given to the
    trainer: ``balance`` of the classes, ``age`` with ``half_life``, or ``propensity`` of being labelled. ``guards`` has
    a mode for each check on the set: block (the default), warn, or off.
    """

    labels: tuple[str, ...] = ("review", "label", "feedback")
    conflict: str = "priority"
    feedback: str = "accepted"
    duplicates: str = "keep"
    weights: str = "none"
    half_life: timedelta = timedelta(days=90)
    guards: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainerEnvironment:
    """What a trainer needs that is not installed here: it runs in an environment that is built of this.

    ``requirements`` are lines as in a requirements.txt, or else ``requirements_file`` is such a file, relative to the
    project. ``python`` is a release such as 3.11, None for the one that runs here.
    """

    requirements: tuple[str, ...] = ()
    requirements_file: str | None = None
    python: str | None = None


@dataclass(frozen=True)
class CandidateTrainer:
    """One of several trainers, or one trainer with settings of its own, that compete in a retraining.

    ``environment`` is None for the endpoint's ``trainer_environment``, if it has one.
    """

    name: str
    trainer: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: TrainerEnvironment | None = None


@dataclass(frozen=True)
class Retraining:
    """When to retrain, and with what means. ``automatic`` False: a person starts each retraining.

    A retraining needs one of the ``signals``: an open alert on ``quality``; drift of columns that matter to the model,
    where an estimate or labels say that quality suffers (``harmful_drift``); or a champion older than ``max_age``. It
    needs ``min_new_labels`` since the last one, and ``cooldown`` to have passed. Within ``budget_over`` there are at
    most ``runs`` retrainings, of together at most ``minutes`` of training. A trainer is stopped after ``time_limit`` or
    above ``memory_mib``; what fails for a transient reason is tried ``attempts`` times.
    """

    min_new_labels: int = 5000
    cooldown: timedelta = timedelta(days=7)
    automatic: bool = True
    signals: tuple[str, ...] = SIGNALS
    max_age: timedelta | None = None
    runs: int = 10
    minutes: float = 600.0
    budget_over: timedelta = timedelta(days=30)
    time_limit: timedelta = timedelta(hours=2)
    memory_mib: int = 8192
    attempts: int = 2
    candidates: tuple[CandidateTrainer, ...] = ()


@dataclass(frozen=True)
class ReviewPolicy:
    """Which predictions are put into the review queue, and how many a day.

    ``random`` items are drawn with equal probability among a day's predictions, for an unbiased estimate of quality.
    ``reviewers`` is how many verdicts an item of the share ``shared`` gets, so that their agreement can be measured;
    others get one.
    """

    reasons: tuple[str, ...] = ()
    per_day: int = 20
    random: int = 10
    reviewers: int = 2
    shared: float = 0.2
