"""Quality estimated before labels arrive: a window's scores, read with what earlier labels said of such scores."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labelled rows with a score, counted a bin: two arrays of shape (BINS,)."""

    positives: Floats
    negatives: Floats


def estimate_quality(stores: Stores, spec: EndpointSpec, asked: Range | None = None) -> Recomputed:
    """Bring ``estimated_quality`` up to date.

    A window's estimate rests on the labels that its version had, when this ran, in windows that ended a
    ``label_horizon`` before it: of later ones only early labels are in, which are often not like late ones. Reads the
    windows of the log, and of what came before the stored counts only. Run it after ``measure_quality``.
    """

    def compute(windows: Windows) -> pa.Table:
        answered = answer_counts(stores, spec, windows)
        earlier = labelled_before(stores, spec, sorted(answered)) if spec.task == BINARY else {}
        rows = [_row(spec, key, counts, earlier) for key, counts in sorted(answered.items())]
        return pa.Table.from_pylist(rows, schema=arrow_schema(ESTIMATED_QUALITY))

    return recompute(stores, spec, ESTIMATED_QUALITY, compute, asked=asked)


def answer_counts(stores: Stores, spec: EndpointSpec, windows: Windows) -> dict[Key, tuple[int, AnswerCounts]]:
    """Return the answered rows of the windows by window and version: how many, and the scored ones a bin."""
    asked = {"size": spec.window, "windows": list(windows), "positive": spec.positive_label}
    with stores.lake.query(spec.name, [log_table(stores, spec)], dates_of(windows)) as connected:
        connected.execute(sql.named("score_bin"))
        rows = rows_of(connected, "answer_counts", asked)
    keys = list(zip(rows["window_start"].to_pylist(), rows["model_version"].to_pylist(), strict=True))
    starts = [place for place, key in enumerate(keys) if not place or keys[place - 1] != key]
    slices = zip(starts, [*starts[1:], len(keys)], strict=True)
    return {keys[start]: _counted(rows.slice(start, end - start)) for start, end in slices}


def labelled_before(stores: Stores, spec: EndpointSpec, keys: Sequence[Key]) -> dict[Key, Labelled]:
    """Return, for each window and version, the labelled scores of the version's windows that calibrate it."""
    if not keys:
        return {}
    versions = sorted({version for _, version in keys})
    asked = {"before": max(keys)[0], "versions": versions}
    with stores.lake.query(spec.name, [QUALITY_METRICS]) as connected:
        stored = rows_of(connected, "labelled_scores", asked).to_pylist()
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


def _counted(rows: pa.Table) -> tuple[int, AnswerCounts]:
    """Return the rows of one window and version, the scored among them a bin."""
    scored = rows.filter(rows["bin"].is_valid())
    names = [name for name in scored.column_names if name not in {"window_start", "model_version", "predictions"}]
    columns = {name: np.asarray(scored[name].to_numpy(), np.float64) for name in names}
    return int(sum(rows["predictions"].to_pylist())), AnswerCounts.read(columns["bin"], columns)


def _row(
    spec: EndpointSpec, key: Key, answered: tuple[int, AnswerCounts], earlier: Mapping[Key, Labelled]
) -> dict[str, Any]:
    predictions, counts = answered
    labelled = earlier.get(key) or Labelled(np.zeros(BINS), np.zeros(BINS))
    made = _estimated(spec, counts, labelled)
    numbers = {"predictions": predictions, "scored": counts.scored}
    rests = {"labelled": int(labelled.positives.sum() + labelled.negatives.sum()), "reason": made.reason}
    return {"window_start": key[0], "model_version": key[1], "date": key[0].date(), **numbers, **rests, **made.values}


def _estimated(spec: EndpointSpec, counts: AnswerCounts, labelled: Labelled) -> Estimate:
    if spec.task != BINARY:
        return no_estimate("quality is estimated for binary classification only")
    if not counts.scored:
        return no_estimate('the model returns no score: log it with pyfunc_predict_fn="predict_proba"')
    chance = calibrate(labelled.positives, labelled.negatives)
    if chance is None:
        return no_estimate(why_not_calibrated(labelled.positives, labelled.negatives))
    return estimate(counts, chance)
