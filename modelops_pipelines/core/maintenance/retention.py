"""For how long an endpoint's tables keep their rows, by the date of their events. None is for ever."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import timedelta

from modelops_pipelines.core.tables.explanations import ATTRIBUTION_DRIFT, ATTRIBUTIONS
from modelops_pipelines.core.tables.keyed_labels import KEYED_LABELS
from modelops_pipelines.core.tables.lake import DAILY_PROFILES, LABELS, PROFILES, STREAMS

RAW = timedelta(days=400)
"""The default of what callers sent: a year, and the weeks that it is compared with."""
SHORTEST = timedelta(days=2)
"""Younger rows are never deleted, so that a window of the last two days needs no look at what is kept."""


REFERRING = ("labels", "feedback", "shadow_log", "explanations")
"""What refers to a prediction."""


@dataclass(frozen=True)
class Retention:
    """How long each table keeps its rows: the captured ones, by their stream or name, and the derived ones.

    What refers to a prediction is kept no longer than the prediction, and is deleted before it: an erasure of a user
    finds it by the prediction. ``training_sets`` is for those of archived versions only.
    """

    labels: timedelta | None = RAW
    feedback: timedelta | None = RAW
    shadow_log: timedelta | None = RAW
    explanations: timedelta | None = RAW
    predictions: timedelta | None = RAW
    rejects: timedelta | None = RAW
    service_metrics: timedelta | None = None
    profiles: timedelta | None = None
    drift: timedelta | None = None
    data_quality: timedelta | None = None
    quality_metrics: timedelta | None = None
    estimated_quality: timedelta | None = None
    custom_metrics: timedelta | None = None
    key_usage: timedelta | None = None
    attribution_drift: timedelta | None = None
    training_sets: timedelta | None = None

    def of_tables(self) -> Iterator[tuple[str, timedelta]]:
        """Yield each table that does not keep its rows for ever, with how long it does; in the order of deletion."""
        for field in fields(self):
            kept: timedelta | None = getattr(self, field.name)
            if kept is None or field.name == "training_sets":
                continue
            yield (STREAMS[field.name].name if field.name in STREAMS else field.name), kept
            if field.name == PROFILES.name:
                yield DAILY_PROFILES.name, kept
            if field.name == ATTRIBUTION_DRIFT.name:
                yield ATTRIBUTIONS.name, kept
            if field.name == LABELS.name:
                yield KEYED_LABELS.name, kept
