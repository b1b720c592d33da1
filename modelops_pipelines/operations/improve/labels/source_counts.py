"""How many labels came from where, and what became of those with a key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.keyed_labels import (
    AMBIGUOUS,
    EXPIRED,
    KEYED_LABELS,
    MATCHED,
    NEW,
    REFUSED,
    WAITING,
)
from modelops_pipelines.core.timestamps import EPOCH
from modelops_pipelines.operations.capture.keyed_rows import keyed_table
from modelops_pipelines.operations.lake.endpoint_tables import stream_table
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.stores import Stores

ROUTE = "gateway"
"""The name under which labels with a key from the gateway's route are counted."""
_UNMATCHED = (WAITING, NEW, AMBIGUOUS, EXPIRED)


@dataclass(frozen=True)
class SourceCounts:
    """A source's rows by what became of them; ``reasons`` counts those that are no label, by the reason.

    ``matched`` are labels of a prediction. All others are ``unmatched``: ``waiting`` for a prediction, ``ambiguous``,
    ``expired`` after the label horizon, or ``refused``. Both together are all rows.
    """

    matched: int = 0
    waiting: int = 0
    ambiguous: int = 0
    expired: int = 0
    refused: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def unmatched(self) -> int:
        """Those that are no label of any prediction, or not yet."""
        return self.waiting + self.ambiguous + self.expired + self.refused

    @property
    def rows(self) -> int:
        """All of them."""
        return self.matched + self.unmatched


def counts_of(stores: Stores, spec: EndpointSpec, since: datetime = EPOCH) -> dict[str, SourceCounts]:
    """Return the counts of every source by name; those of labels with a key from the gateway's route are ``gateway``.

    Labels with a key, and refused rows, count from when they were received: ``since``.

    A label that names its prediction by its id is matched, and counted for sources alone.
    """
    labels = stream_table(stores, spec, "labels")
    with stores.lake.query(spec.name, [keyed_table(spec), labels]) as connected:
        named = connected.execute(sql.named("keyed_label_counts"), {"now": stores.now(), "since": since}).fetchall()
        by_source = dict(connected.execute(sql.named("labels_by_source")).fetchall())
    found: dict[str, dict[str, Any]] = {name: {} for name in by_source}
    reasons: dict[str, dict[str, int]] = {}
    for source, status, reason, rows in named:
        name = source or ROUTE
        counts = found.setdefault(name, {})
        key = WAITING if status == NEW else status
        counts[key] = counts.get(key, 0) + rows
        if status in {*_UNMATCHED, REFUSED} and reason:
            reasons.setdefault(name, {})[reason] = rows
    for name, rows in by_source.items():
        found[name][MATCHED] = max(rows, found[name].get(MATCHED, 0))
    return {name: SourceCounts(**counts, reasons=reasons.get(name, {})) for name, counts in found.items()}


def unmatched(stores: Stores, spec: EndpointSpec, most: int) -> list[dict[str, Any]]:
    """Return the newest labels with a key, and refused rows, that are labels of no prediction; at most ``most``."""
    if stores.lake.table(spec.name, KEYED_LABELS.name) is None:
        return []
    with stores.lake.query(spec.name, [keyed_table(spec)]) as connected:
        answer = connected.execute(sql.named("unmatched_keyed_labels"), {"now": stores.now(), "most": most})
        names = [column[0] for column in answer.description or []]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
