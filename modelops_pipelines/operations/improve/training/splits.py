"""Splits rows by the day of their event time: to train on, and held out for evaluation."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.evaluation.gate import GateConfig, is_evaluation_day
from modelops_pipelines.core.tables.training import EVENT_TIME

MIN_TRAINING_SHARE = 0.4
"""Share of a user's rows that must remain for training. With every second day held out about half remains; a frame
that covers one or two days is used for training only, because it has too few days to evaluate on."""


@dataclass(frozen=True)
class LabelledRows:
    """Labelled rows, split by day: rows to train on, and rows to evaluate versions on."""

    training: pa.Table
    evaluation: pa.Table


def on_evaluation_days(rows: pa.Table, gate: GateConfig) -> pa.Array:
    """Return which rows have an event time on an evaluation day, in UTC; rows without one are never held out."""
    return days_due(rows.column(EVENT_TIME), gate.every_nth_day)


def days_due(times: pa.ChunkedArray, every_nth: int) -> pa.Array:
    """Return which times are of an evaluation day, in UTC; none is where there is no time."""
    days = times.cast(pa.date32())
    due = [day for day in pc.unique(days).to_pylist() if day and is_evaluation_day(day, every_nth)]
    return pc.is_in(days, value_set=pa.array(due, pa.date32())).combine_chunks()


def split_by_day(rows: pa.Table, gate: GateConfig) -> LabelledRows:
    """Split rows by the day of their event time."""
    held_out = on_evaluation_days(rows, gate)
    return LabelledRows(rows.filter(pc.invert(held_out)), rows.filter(held_out))


def split_provided(rows: pa.Table, spec: EndpointSpec, gate: GateConfig) -> LabelledRows:
    """Split rows that a user provided, unless too few rows or not all classes remain: then all are for training."""
    held_out = held_out_of_provided(rows, spec, gate)
    return LabelledRows(rows.filter(pc.invert(held_out)), rows.filter(held_out))


def held_out_of_provided(rows: pa.Table, spec: EndpointSpec, gate: GateConfig) -> pa.Array:
    """Return which rows that a user provided are held out, as ``split_provided`` splits them."""
    held_out = on_evaluation_days(rows, gate)
    split = rows.filter(pc.invert(held_out))
    classes, all_classes = (pc.count_distinct(part.column(spec.label)).as_py() for part in (split, rows))
    enough = len(split) >= MIN_TRAINING_SHARE * len(rows)
    if enough and (spec.task == "regression" or classes == all_classes):
        return held_out
    return pa.array(np.zeros(len(rows), bool))
