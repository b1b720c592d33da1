"""Quality estimated before labels arrive: a window's scores, calibrated on earlier labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.metrics.cbpe import (
    AnswerCounts,
    Estimate,
    calibrate,
    estimate,
    no_estimate,
    why_not_calibrated,
)
from modelops_pipelines.core.metrics.score_histogram import BINS, Floats, ScoreCounts
from modelops_pipelines.core.models.classes import how_to_state, why_unknown
from modelops_pipelines.core.tables.lake import ESTIMATED_QUALITY, QUALITY_METRICS
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.operations.lake.incremental import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.operations.metrics.quality import rows_of
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.stores import Stores

BINARY = "binary_classification"
Key = tuple[datetime, str]


_NOT_SUMS = frozenset({"window_start", "model_version", "predictions", "unnamed"})


@dataclass(frozen=True, eq=False)
class Answered:
    """Answered rows: their number, those without a class (the version's classes are unknown), the scored ones a bin."""

    predictions: int
    unnamed: int
    counts: AnswerCounts


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labelled rows with a score, counted a bin: two arrays of shape (BINS,)."""

    positives: Floats
    negatives: Floats


def estimate_quality(stores: Stores, spec: EndpointSpec, backfill: Range | None = None) -> Recomputed:
    """Bring ``estimated_quality`` up to date.

    A window's estimate is calibrated on its version's labels in windows that ended a ``label_horizon`` before it. Of
    later windows only early labels have arrived, and these often differ from late ones. Of earlier windows only the
    stored counts are read, not the log. Run it after ``measure_quality``.
    """

    def compute(windows: Windows) -> pa.Table:
        return pa.Table.from_pylist(estimated_rows(stores, spec, windows), schema=arrow_schema(ESTIMATED_QUALITY))

    return recompute(stores, spec, ESTIMATED_QUALITY, compute, backfill=backfill)


def estimated_rows(stores: Stores, spec: EndpointSpec, windows: Windows) -> list[dict[str, Any]]:
    """Return the rows of ``estimated_quality`` of these windows, by the labels that are stored now."""
    answered = answer_counts(stores, spec, windows)
    earlier = labelled_before(stores, spec, sorted(answered)) if spec.task == BINARY else {}
    return [_row(spec, key, counts, earlier) for key, counts in sorted(answered.items())]


def answer_counts(stores: Stores, spec: EndpointSpec, windows: Windows) -> dict[Key, Answered]:
    """Return the answered rows by window and version: their number, and the scored ones per bin."""
    parameters = {"size": spec.window, "windows": list(windows), "positive": spec.positive_label}
    with stores.lake.query(spec.name, [log_table(stores, spec)], dates_of(windows)) as connected:
        connected.execute(sql.named("score_bin"))
        rows = rows_of(connected, "answer_counts", parameters)
    keys = list(zip(rows["window_start"].to_pylist(), rows["model_version"].to_pylist(), strict=True))
    starts = [place for place, key in enumerate(keys) if not place or keys[place - 1] != key]
    slices = pairwise([*starts, len(keys)])
    return {keys[start]: _counted(rows.slice(start, end - start)) for start, end in slices}


def labelled_before(stores: Stores, spec: EndpointSpec, keys: Sequence[Key]) -> dict[Key, Labelled]:
    """Return, per window and version, the labelled scores of the version's earlier windows that calibrate it."""
    if not keys:
        return {}
    versions = sorted({version for _, version in keys})
    parameters = {"before": max(keys)[0], "versions": versions}
    with stores.lake.query(spec.name, [QUALITY_METRICS]) as connected:
        stored = rows_of(connected, "labelled_scores", parameters).to_pylist()
    found: dict[Key, Labelled] = {}
    for version in versions:
        history = [(row["window_start"], row["score_counts"]) for row in stored if row["model_version"] == version]
        windows = sorted(window for window, one in keys if one == version)
        ends = [window - spec.label_horizon - LENGTH[spec.window] for window in windows]
        totals = zip(windows, _running(history, ends), strict=True)
        found |= {(window, version): total for window, total in totals}
    return found


def _running(history: Sequence[tuple[datetime, str]], ends: Sequence[datetime]) -> Iterator[Labelled]:
    """Yield the sum of the windows up to each end, ends and windows in order of time."""
    positives, negatives, place = np.zeros(BINS), np.zeros(BINS), 0
    for end in ends:
        while place < len(history) and history[place][0] <= end:
            counts = ScoreCounts.read(orjson.loads(history[place][1]))
            positives, negatives, place = positives + counts.positives, negatives + counts.negatives, place + 1
        yield Labelled(positives, negatives)


def _counted(rows: pa.Table) -> Answered:
    """Return the number of rows of one window and version, and the scored ones per bin."""
    scored = rows.filter(rows["bin"].is_valid())
    names = [name for name in scored.column_names if name not in _NOT_SUMS]
    columns = {name: np.asarray(scored[name].to_numpy(), np.float64) for name in names}
    predictions, unnamed = (int(sum(rows[name].to_pylist())) for name in ("predictions", "unnamed"))
    return Answered(predictions, unnamed, AnswerCounts.read(columns["bin"], columns))


def _row(spec: EndpointSpec, key: Key, answered: Answered, earlier: Mapping[Key, Labelled]) -> dict[str, Any]:
    labelled = earlier.get(key) or Labelled(np.zeros(BINS), np.zeros(BINS))
    estimated = _estimate(spec, key[1], answered, labelled)
    numbers = {"predictions": answered.predictions, "scored": answered.counts.scored}
    basis = {"labelled": int(labelled.positives.sum() + labelled.negatives.sum()), "reason": estimated.reason}
    return {
        "window_start": key[0],
        "model_version": key[1],
        "date": key[0].date(),
        **numbers,
        **basis,
        **estimated.values,
    }


def _estimate(spec: EndpointSpec, version: str, answered: Answered, labelled: Labelled) -> Estimate:
    counts = answered.counts
    if spec.task != BINARY:
        return no_estimate("quality is estimated for binary classification only")
    if answered.unnamed == answered.predictions:
        return no_estimate(f"{why_unknown(version)}: {how_to_state(version)}")
    if not counts.scored:
        return no_estimate("the model returns no score: log it with probabilities (docs/endpoints.md: Flavours)")
    chance = calibrate(labelled.positives, labelled.negatives)
    if chance is None:
        return no_estimate(why_not_calibrated(labelled.positives, labelled.negatives))
    return estimate(counts, chance)
