"""Evidently's drift report: drawn from a bounded sample, when a person or an alert requests it.

Its page contains 3.7 MB of Evidently's scripts, plus about 45 kB per column: so only the most drifted columns are
drawn, and the page names the others.
"""

import html
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pyarrow as pa

from modelops_pipelines.core.drift.ranking import by_drift
from modelops_pipelines.core.endpoints.alert_rules import DRIFTED_SHARES
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import EvidenceError
from modelops_pipelines.core.foreign_text import error_text
from modelops_pipelines.core.profiles.profile import LARGEST
from modelops_pipelines.core.tables.lake import DRIFT
from modelops_pipelines.core.windows import text, window_of
from modelops_pipelines.operations.drift.references import monitored_features
from modelops_pipelines.operations.endpoints.served_here import require_served_here
from modelops_pipelines.operations.improve.training.sets import read_training_set
from modelops_pipelines.operations.lake.endpoint_tables import log_table, profiled_types
from modelops_pipelines.operations.lake.incremental import dates_of
from modelops_pipelines.operations.lake.queries import newest
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 5000
"""Rows per side, at most."""
CATEGORIES = 50
"""Categories of a column that are drawn by name."""
COLUMNS = 20
"""Columns that are drawn, at most."""
NAME_LENGTH = 60
"""Characters of a category that are drawn; a quarter of it for names beyond ASCII."""
_NOTE = (
    '<div role="note" style="font:14px/1.5 sans-serif;margin:12px 24px;padding:10px 16px;border:1px solid #c9a227;'
    'border-left-width:5px;border-radius:4px;background:#fff8e1;color:#3b3000">{}</div>'
)


@dataclass(frozen=True)
class DriftReport:
    """A written report: the window and rows compared, and the columns left out (column: reason)."""

    path: Path
    window: datetime
    rows: int
    reference_rows: int
    left_out: dict[str, str]


def write_drift_report(stores: Stores, spec: EndpointSpec, window: datetime | None = None) -> DriftReport:
    """Draw a window (the newest with rows by default) against the champion's training set.

    These columns are left out, each with its reason, which the page shows too: those that one side lacks or has no
    value in, those on which Evidently fails, and all but the COLUMNS most drifted ones. Raises EvidenceError when there
    is nothing to compare.
    """
    chosen = window or _newest_window(stores, spec)
    rows = _window_rows(stores, spec, chosen)
    judged = newest(stores, spec, DRIFT, 1) if window is None and not len(rows) else []
    if judged:  # the log's newest window has test calls or failures only
        chosen = judged[0]["window_start"]
        rows = _window_rows(stores, spec, chosen)
    current = rows.to_pandas()
    reference = _reference_rows(stores, spec).to_pandas()
    columns, left_out = comparable(current, reference)
    columns, too_many = most_drifted(columns, _verdicts(stores, spec, chosen))
    left_out |= too_many
    if not columns or current.empty or reference.empty:
        raise _nothing_to_compare(spec, chosen, left_out)
    page, failed = _draw_possible(current[columns], reference[columns], _drift_share(spec))
    left_out |= failed
    if page is None:
        raise _nothing_to_compare(spec, chosen, left_out)
    path = stores.settings.reports / spec.name / f"drift-{chosen:%Y-%m-%dT%H}.html"
    write_atomically(path, _with_note(page, left_out).encode())
    return DriftReport(path, chosen, len(current), len(reference), left_out)


def comparable(current: "pd.DataFrame", reference: "pd.DataFrame") -> tuple[list[str], dict[str, str]]:
    """Return the columns that can be drawn, and why the others cannot."""
    left_out: dict[str, str] = {}
    for name in dict.fromkeys([*current.columns, *reference.columns]):
        for side, frame in (("the window", current), ("the reference", reference)):
            if name not in frame.columns:
                left_out[name] = f"{side} has no such column"
            elif frame[name].isna().all():
                left_out[name] = f"every value of {side} is null"
            elif frame[name].dtype.kind in "iuf" and _finite(frame[name]).isna().all():
                left_out[name] = f"no value of {side} is finite"
    return [name for name in current.columns if name not in left_out], left_out


def most_drifted(
    columns: Sequence[str], verdicts: Sequence[Mapping[str, Any]], most: int = COLUMNS
) -> tuple[list[str], dict[str, str]]:
    """Return at most ``most`` of the columns, most drifted first, and why the others are left out."""
    ranks = {row["column"]: rank for rank, row in reversed(list(enumerate(by_drift(verdicts))))}
    ordered = sorted(columns, key=lambda name: ranks.get(name, len(ranks)))
    return ordered[:most], dict.fromkeys(ordered[most:], f"only the {most} most drifted columns are drawn")


def _nothing_to_compare(spec: EndpointSpec, window: datetime, left_out: Mapping[str, str]) -> EvidenceError:
    return EvidenceError(
        f"Endpoint {spec.name!r} has nothing to compare in the window {text(window)} ({left_out or 'no rows'})",
        "Choose a window with traffic, and deploy a version that was trained here",
    )


def _drift_share(spec: EndpointSpec) -> float:
    """Return the share of drifted columns at which the endpoint's drift rule fails."""
    shares = (limit for rule in spec.alerts if rule.kind == "drift" for limit in rule.limits)
    return next(shares, DRIFTED_SHARES["evidently"])


def _draw_possible(
    current: "pd.DataFrame", reference: "pd.DataFrame", share: float
) -> tuple[str | None, dict[str, str]]:
    """Draw the columns that Evidently can draw (None without any); return why it cannot draw the others."""
    try:
        return _draw(current, reference, share), {}
    except Exception as error:  # noqa: BLE001 - Evidently may fail on unusual data: the other columns are still drawn
        problem = f"Evidently fails on it ({error_text(error)})"[:200]
    if len(current.columns) == 1:
        return None, {current.columns[0]: problem}
    failed: dict[str, str] = {}
    for name in current.columns:
        failed |= _draw_possible(current[[name]], reference[[name]], share)[1]
    good = [name for name in current.columns if name not in failed]
    if not failed or not good:  # they fail only together, or each of them fails
        return None, failed or dict.fromkeys(current.columns, problem)
    page, together = _draw_possible(current[good], reference[good], share)
    return page, failed | together


def _draw(current: "pd.DataFrame", reference: "pd.DataFrame", share: float) -> str:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    words = [name for name in current.columns if not _both_numeric(current, reference, name)]
    numbers = [_shown(name) for name in current.columns if name not in words]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=[_shown(name) for name in words])
    sides = [Dataset.from_pandas(_drawable(frame, words), data_definition=definition) for frame in (current, reference)]
    with warnings.catch_warnings(), _small_figures():
        warnings.simplefilter("ignore")  # constant columns divide by zero in its correlations
        drawn = Report([DataDriftPreset(drift_share=share)]).run(*sides)
        page: str = drawn.get_html_str(as_iframe=False)
    return page


@contextmanager
def _small_figures() -> Iterator[None]:
    """Draw without Plotly's template, which each figure would include: 30 kB per column."""
    import plotly.io as pio  # type: ignore[import-untyped]

    before = pio.templates.default
    pio.templates.default = "none"
    try:
        yield
    finally:
        pio.templates.default = before


def _with_note(page: str, left_out: Mapping[str, str]) -> str:
    """Return the page with a note on top that names the columns left out; their names are untrusted text."""
    if not left_out:
        return page
    reasons = dict.fromkeys(left_out.values())
    lines = [f"{', '.join(n for n in left_out if left_out[n] == reason)}: {reason}." for reason in reasons]
    note = _NOTE.format(
        "<b>Columns left out of the charts and of the shares below:</b><br>"
        + "<br>".join(html.escape(line) for line in lines)
    )
    return page.replace("<body>", f"<body>{note}", 1)


def _drawable(frame: "pd.DataFrame", words: Sequence[str]) -> "pd.DataFrame":
    """Return the frame with plain text categories, the rare ones as one, and numbers as finite floats or null."""
    drawn = frame.copy()
    for name in drawn.columns:
        drawn[name] = _categories(drawn[name]) if name in words else _finite(drawn[name])
    return drawn.rename(columns=_shown)  # not shortened: two names must not become one


def _categories(column: "pd.Series[Any]") -> list[str | None]:
    values = [None if missing else _short(_shown(value)) for value, missing in zip(column, column.isna(), strict=True)]
    common = {value for value, _ in Counter(filter(None, values)).most_common(CATEGORIES)}
    return [value if value is None or value in common else "(other)" for value in values]


def _finite(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the column as floats, with null for what is infinite, or so large that its square would be."""
    values = column.astype("float64")
    return values.where(values.abs() <= LARGEST)


def _shown(value: object) -> str:
    """Return a name as it is drawn, without '<': Evidently writes names into a script, which a '<' could end."""
    return str(value).replace("<", "\u2039")


def _short(name: str) -> str:
    """Return a category shortened; two that begin alike stay distinct. A character beyond ASCII takes six bytes."""
    most = NAME_LENGTH if name.isascii() else NAME_LENGTH // 4
    return name if len(name) <= most else f"{name[:most]}~{crc32(name.encode('utf-8', 'replace')):08x}"


def _both_numeric(current: "pd.DataFrame", reference: "pd.DataFrame", name: str) -> bool:
    return all(frame[name].dtype.kind in "iuf" for frame in (current, reference))


def _verdicts(stores: Stores, spec: EndpointSpec, window: datetime) -> list[dict[str, Any]]:
    with stores.lake.query(spec.name, [DRIFT], dates_of([window])) as connected:
        rows: list[dict[str, Any]] = connected.table(DRIFT.name).to_arrow_table().to_pylist()
    return [row for row in rows if row["window_start"] == window]


def _newest_window(stores: Stores, spec: EndpointSpec) -> datetime:
    watermark = stores.ingest_progress.of(spec.name).watermark
    if watermark is None:
        raise EvidenceError(f"The log of endpoint {spec.name!r} is empty", "Send it requests first")
    return window_of(watermark, spec.window)


def _window_rows(stores: Stores, spec: EndpointSpec, window: datetime) -> pa.Table:
    table = log_table(stores, spec)
    features = monitored_features(spec, list(profiled_types(stores, spec)))
    with stores.lake.query(spec.name, [table], dates_of([window])) as connected:
        rows = connected.sql(
            sql.answered_columns(table, features), params={"size": spec.window, "windows": [window]}
        ).to_arrow_table()
    return _sampled(rows.filter(rows.column("sampled")).select(features))


def _reference_rows(stores: Stores, spec: EndpointSpec) -> pa.Table:
    require_served_here(spec, "a training set to compare with")
    champion = stores.deployments.desired(spec.name).champion
    version = stores.deployments.version(spec.model_name, champion) if champion else None
    sets = [
        known for known in stores.training_sets.of(spec.name) if version and known.content_hash == version.training_set
    ]
    if not sets:
        raise EvidenceError(
            f"The champion of endpoint {spec.name!r} has no training set in this project",
            "Train a version with modelops train or modelops retrain, and deploy it",
        )
    rows = read_training_set(stores, sets[0])
    features = monitored_features(spec, list(profiled_types(stores, spec)))
    return _sampled(rows.select([name for name in features if name in rows.column_names]))


def _sampled(rows: pa.Table) -> pa.Table:
    """Return at most SAMPLE rows, evenly spread and the same at every call."""
    step = max(1, -(-len(rows) // SAMPLE))
    return rows.take(pa.array(range(0, len(rows), step), pa.int64()))
