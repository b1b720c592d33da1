"""The events of quality objectives: windows older than the label horizon, good or bad by a metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops_pipelines.core.alerting.objectives.burn_rates import BURN_RATES, BurnRate, Counts, level_of
from modelops_pipelines.core.endpoints.spec import EndpointSpec, Slo
from modelops_pipelines.core.tables.lake import QUALITY_METRICS, WHOLE
from modelops_pipelines.core.windows import LENGTH, window_of
from modelops_pipelines.operations.alerting.judges.thresholds import Rows, rows_of_busiest_version
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.stores import Stores

MINIMUM_LABELLED = 200
_YEAR = timedelta(days=365)


@dataclass(frozen=True)
class QualityWindows:
    """The judged windows of a quality objective by their start, and the newest that could be judged."""

    good: Mapping[datetime, bool]
    newest: datetime | None
    length: timedelta

    def last(self, span: timedelta) -> Counts:
        """Return the judged windows of the last ``span``, rounded up to whole windows."""
        if self.newest is None:
            return Counts()
        first = self.newest - (-(-span // self.length) - 1) * self.length
        found = [good for start, good in self.good.items() if first <= start <= self.newest]
        return Counts(len(found), found.count(False))


def quality_rates(slo: Slo) -> tuple[BurnRate, ...]:
    """Return the burn rates of a quality objective: windows are few, so the whole period is judged too."""
    return (*BURN_RATES, BurnRate(1.0, slo.over, slo.over / 12, is_fast=False))


def quality_level(spec: EndpointSpec, slo: Slo) -> float:
    """Return the level at which a look for each new window makes at most one false alarm a year."""
    return level_of(_YEAR / LENGTH[spec.window], quality_rates(slo))


def quality_windows(stores: Stores, spec: EndpointSpec, slo: Slo) -> QualityWindows:
    """Return the windows of the objective's period that ended a label horizon before the newest data."""
    length, watermark = LENGTH[spec.window], stores.ingest_progress.of(spec.name).watermark
    if watermark is None:
        return QualityWindows({}, None, length)
    newest = window_of(watermark - spec.label_horizon - length, spec.window)
    by_window: dict[datetime, Rows] = {}
    for row in _rows(stores, spec, str(slo.metric), newest - slo.over, newest):
        by_window.setdefault(row["window_start"], []).append(row)
    judged = {start: _is_good(slo, rows) for start, rows in by_window.items()}
    return QualityWindows({start: good for start, good in judged.items() if good is not None}, newest, length)


def _is_good(slo: Slo, rows: Rows) -> bool | None:
    """Return whether the busiest version's metric is within the bound; None with too few labels."""
    row = rows_of_busiest_version(rows, "predictions")[0]
    value = row.get(str(slo.metric))
    if value is None or row["labelled"] < (slo.minimum or MINIMUM_LABELLED):
        return None
    return bool(value >= slo.at_least if slo.at_least is not None else value <= (slo.at_most or 0.0))


def _rows(stores: Stores, spec: EndpointSpec, metric: str, after: datetime, last: datetime) -> Rows:
    from modelops_pipelines.operations.lake.incremental import dates_of  # imports Arrow

    names = ("window_start", "model_version", "segment", "predictions", "labelled", metric)
    days = [after + timedelta(days=n) for n in range((last - after).days + 2)]
    with stores.lake.query(spec.name, [QUALITY_METRICS], dates_of(days)) as connected:
        found = connected.table(QUALITY_METRICS.name).project(sql.columns_of(QUALITY_METRICS, names))
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    return [row for row in rows if row["segment"] in {None, WHOLE} and after < row["window_start"] <= last]
