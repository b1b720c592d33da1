"""What columns contribute window by window, and the drift of their shares from those of the reference rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.explanations.attributions import Floats, compare_shares, ranks_of, shares_of
from modelops_pipelines.core.tables.explanations import ATTRIBUTION_DRIFT, ATTRIBUTIONS, EXPLANATIONS
from modelops_pipelines.core.windows import window_of
from modelops_pipelines.operations.lake.incremental import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.registry.references.reference_rows import ReferenceRows
from modelops_pipelines.store.stores import Stores

Row = dict[str, Any]
_READ = ("event_time", "model_version", "method", "scale", "contributions")


def measure_attributions(stores: Stores, spec: EndpointSpec, backfill: Range | None = None) -> Recomputed:
    """Bring ``attribution_drift`` up to date, and ``attributions``, which is written after it."""
    by_column: list[Row] = []

    def compute(windows: Windows) -> pa.Table:
        by_column.clear()
        drift: list[Row] = []
        for (window, version), rows in sorted(_groups(stores, spec, windows).items()):
            reference = stores.reference_rows.read(spec.name, spec.model_name, version)
            mine, of_window = _measured(rows, reference)
            whose = {"window_start": window, "model_version": version, "date": window.date()}
            by_column.extend({**whose, **row} for row in mine)
            drift.append({**whose, **of_window})
        return pa.Table.from_pylist(drift, schema=arrow_schema(ATTRIBUTION_DRIFT))

    def write_columns(windows: Windows, rows: pa.Table) -> None:
        kept = set(rows.column("window_start").to_pylist())
        mine = [row for row in by_column if row["window_start"] in kept]
        table = pa.Table.from_pylist(mine, schema=arrow_schema(ATTRIBUTIONS))
        stores.writer.replace_windows(spec.name, ATTRIBUTIONS, table, windows)

    return recompute(stores, spec, ATTRIBUTION_DRIFT, compute, backfill=backfill, after_write=write_columns)


def _groups(stores: Stores, spec: EndpointSpec, windows: Windows) -> dict[tuple[datetime, str], list[Row]]:
    """Return the explained rows of windows, by window and version."""
    read = stores.lake.read(spec.name, EXPLANATIONS, dates_of(windows), _READ)
    wanted, found = set(windows), dict[tuple[datetime, str], list[Row]]()
    for row in read.filter(pc.is_valid(read.column("contributions"))).to_pylist():
        window = window_of(row["event_time"], spec.window)
        if window in wanted:
            found.setdefault((window, row["model_version"]), []).append(row)
    return found


def _measured(rows: Sequence[Row], reference: ReferenceRows | None) -> tuple[list[Row], Row]:
    """Return what each column contributed to explained rows of one window, and the distance from the reference.

    Rows of another method or scale than the reference's (than most, without one) are left out: they are not comparable.
    """
    known = None if reference is None else reference.contributed
    ways = Counter((row["method"], row["scale"]) for row in rows)
    way = ways.most_common(1)[0][0]
    if known is not None and (known.method, known.scale) in ways:
        way = known.method, known.scale
    else:
        known = None
    parsed = [orjson.loads(row["contributions"]) for row in rows if (row["method"], row["scale"]) == way]
    columns = list(parsed[0])
    mine = np.array([[one[name] for name in columns] for one in parsed])
    theirs = None if known is None or set(known.columns) != set(columns) else _matrix(known.columns, columns)
    by_column = _by_column(columns, mine, theirs, way)
    drift: Row = {"n": len(mine), "n_reference": 0 if theirs is None else len(theirs)}
    if theirs is None or reference is None:
        return by_column, {**drift, "reason": "the version has no reference rows that were explained in the same way"}
    drift["reference"] = reference.source
    compared = compare_shares(mine, theirs)
    if isinstance(compared, str):
        return by_column, {**drift, "reason": compared}
    more = {"distance": compared.distance, "noise": compared.noise, "excess": compared.excess}
    changed = {"column": columns[compared.column], "change": compared.change, "p_value": compared.p_value}
    return by_column, {**drift, **more, **changed}


def _matrix(columns: Mapping[str, Sequence[float]], names: Sequence[str]) -> Floats:
    return np.array([columns[name] for name in names]).T


def _by_column(columns: Sequence[str], mine: Floats, theirs: Floats | None, way: tuple[str, str]) -> list[Row]:
    shares, before = shares_of(mine), None if theirs is None else shares_of(theirs)
    sizes = np.abs(mine).mean(axis=0).tolist()
    return [
        {
            "column": name,
            "n": len(mine),
            "mean_absolute": sizes[place],
            "mean": float(mine[:, place].mean()),
            "share": None if shares is None else float(shares[place]),
            "share_reference": None if before is None else float(before[place]),
            "rank": rank,
            "method": way[0],
            "scale": way[1],
        }
        for place, (name, rank) in enumerate(zip(columns, ranks_of(sizes), strict=True))
    ]
