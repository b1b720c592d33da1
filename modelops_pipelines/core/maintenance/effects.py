"""What a maintenance task deletes or rewrites. A dry run and a real run return the same effects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Action = Literal["delete", "rewrite"]


@dataclass(frozen=True)
class Effect:
    """Things of one kind that a task deletes or rewrites, for one reason.

    ``kind`` says what they are: lake rows, lake files, Dagster runs, log files, ... ``item`` says which: a table with
    its partition, a tier, a name. ``items`` counts them and ``bytes`` is their size on the disk; a rewrite's ``bytes``
    is the size before it. ``detail`` holds further numbers as JSON values. The effects of one kind, endpoint and item
    are one: a run that was killed half-way is continued under the same three.
    """

    kind: str
    item: str
    items: int
    bytes: int
    reason: str
    endpoint: str | None = None
    action: Action = "delete"
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The result of one task: its effects, and the error that ended it early."""

    task: str
    effects: tuple[Effect, ...]
    seconds: float
    error: str | None = None
