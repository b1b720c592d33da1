"""Runs every guard on a training set's rows, beside a sample of the log and the rows held out for evaluation."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.improvement import SET_GUARDS
from modelops_pipelines.core.improve.guards import balance, duplicates, flips, leakage, selection, shares, texts
from modelops_pipelines.core.improve.guards.results import OFF, GuardResult, mode_of, not_judged
from modelops_pipelines.core.tables.training import PROVIDED_PREFIX
from modelops_pipelines.operations.improve.guards.label_models import (
    fitted,
    parts_of,
    sampled,
    values_of_cells,
)
from modelops_pipelines.operations.improve.guards.log_sample import (
    LogSample,
    differing,
    expected_shares,
    selection_rows,
)
from modelops_pipelines.operations.improve.guards.set_rows import (
    SetRows,
    days_of,
    drawn,
    is_text,
    micros_of,
    values_of,
)
from modelops_pipelines.operations.improve.training.overlap import fingerprints
from modelops_pipelines.operations.improve.training.sets import EVENT_TIME, ROW_ID

BINARY = 2
MOST_OF_LEAKAGE = 100_000
CLOCKS_DIFFER = 300e6
"""Microseconds by which a label may be known before its event: two clocks are never equal."""
Guard = Callable[[], GuardResult]


def judge_rows(of: SetRows, sample: LogSample | None, held_out: pa.Table | None) -> list[GuardResult]:
    """Return the verdict of every guard that is not off.

    ``sample`` is of the log's answered rows, None where the set has none of the log; ``held_out`` are the rows for
    evaluation, None before there is a version.
    """
    guards: Mapping[str, Guard] = {
        shares.NAME: lambda: _shares(of),
        flips.NAME: lambda: _flips(of),
        selection.NAME: lambda: _selection(of, sample),
        balance.NAME: lambda: _balance(of, sample),
        leakage.NAME: lambda: _leakage(of, sample),
        duplicates.NAME: lambda: _duplicates(of, held_out),
        texts.NAME: lambda: _texts(of),
    }
    return [_plain(guards[name]()) for name in SET_GUARDS if mode_of(of.spec, name) != OFF]


def _shares(of: SetRows) -> GuardResult:
    kinds = []
    for kind, column in (("key", "key_id"), ("author", "author")):
        who = of.origin(column)
        if who is not None:
            known = np.asarray(who, object)
            kinds.append(shares.Suppliers.counted(kind, known[of.added].tolist(), known[~of.added].tolist()))
    return shares.share_of_one(kinds)


def _flips(of: SetRows) -> GuardResult:
    few = sampled(of)
    parts = parts_of(few)
    if len(parts.now) < flips.LEAST_ROWS:
        return not_judged(flips.NAME, f"{len(parts.now):,} new labels, needs {flips.LEAST_ROWS}")
    result = flips.label_flips(*fitted(few, parts), values_of_cells(few, parts))
    sample = {"rows": len(parts.now), "of": int(of.added.sum()), "earlier_rows": len(parts.before)}
    return replace(result, numbers={**result.numbers, "sample": sample})


def _selection(of: SetRows, sample: LogSample | None) -> GuardResult:
    if sample is None:
        return not_judged(selection.NAME, "the set has no new row of the log")
    rows, error = selection_rows(of, sample)
    return selection.selection(rows, error, weighted=of.spec.training.weights == "propensity")


def _balance(of: SetRows, sample: LogSample | None) -> GuardResult:
    if of.spec.task == "regression":
        return not_judged(balance.NAME, "a regression has no classes")
    now, before = (Counter(of.label[mask].tolist()) for mask in (of.added, ~of.added))
    expected = None if sample is None else expected_shares(of.spec, sample, sorted({*now, *before}))
    return balance.class_balance(now, before, expected)


def _leakage(of: SetRows, sample: LogSample | None) -> GuardResult:
    few = of.take(drawn(np.ones(len(of.rows), np.bool_), MOST_OF_LEAKAGE))
    rows, label, provided = few.rows, few.label, few.provided
    binary = of.spec.task != "regression" and len(set(label.tolist())) == BINARY
    event = micros_of(rows.column(EVENT_TIME))
    times = [name for name in of.features if pa.types.is_timestamp(rows.schema.field(name).type)]
    known_at = None if few.origins is None else micros_of(few.origins["known_at"])
    columns = leakage.SetColumns(
        features={name: values_of(rows.column(name)) for name in of.features},
        label=label,
        provided=provided,
        positive=label == max(set(label.tolist())) if binary else None,
        numeric=label if of.spec.task == "regression" else None,
        late={name: micros_of(rows.column(name)) > event for name in times},
        known_before=None if known_at is None else (known_at < event - CLOCKS_DIFFER) & ~provided,
        differing={} if sample is None else differing(of, sample),
    )
    result = leakage.leakage(columns)
    return replace(result, numbers={**result.numbers, "sample": {"rows": len(rows), "of": len(of.rows)}})


def _duplicates(of: SetRows, held_out: pa.Table | None) -> GuardResult:
    if held_out is None:
        return not_judged(duplicates.NAME, "no version is recorded yet, so there are no evaluation rows")
    same = pc.sum(pc.is_in(held_out[ROW_ID], value_set=of.rows[ROW_ID].combine_chunks())).as_py() or 0
    names = [name for name in held_out.column_names if name not in (ROW_ID, EVENT_TIME)]
    names = [name for name in names if name in of.rows.column_names]
    provided = np.asarray(pc.starts_with(held_out[ROW_ID], PROVIDED_PREFIX).to_numpy(), np.bool_)
    evaluation = duplicates.Hashed(fingerprints(held_out, names), days_of(held_out[EVENT_TIME]), ~provided)
    return duplicates.duplicates(
        duplicates.Hashed(fingerprints(of.rows, names), of.days, ~of.provided), evaluation, same
    )


def _texts(of: SetRows) -> GuardResult:
    return texts.texts({name: of.rows.column(name).to_pylist() for name in of.features if is_text(of.rows, name)})


def _plain(result: GuardResult) -> GuardResult:
    """Return the result with numbers as JSON has them: those that are not finite become null."""
    return replace(result, numbers=orjson.loads(orjson.dumps(result.numbers, option=orjson.OPT_SERIALIZE_NUMPY)))
