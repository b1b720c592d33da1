"""Judges an endpoint's newest captured rows for gross faults, as they come, without the lake.

Kept in the memory of the process that watches: the last rows of each version, and what was seen of them. What the
training set calls abnormal is a fault only of a feature that was normal before: else it is how the endpoint is used.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.alerting.live_rules import NOW
from modelops_pipelines.core.drift.sudden.normal_values import Normal
from modelops_pipelines.core.drift.sudden.sudden_faults import (
    ROWS,
    Channel,
    Fault,
    Row,
    effective_callers,
    faults_of,
    has_enough_callers,
    suspects,
    taken_rows,
)
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.judges.thresholds import severity_of
from modelops_pipelines.store.stores import Stores

DATA_QUALITY = "data_quality"
CHANNELS: tuple[Channel, ...] = ("missing", "category", "range", "constant")
NAMED = 5
"""Features that a message names, at most."""
_ANSWERED, _TEST, _MOMENT = 200, "test", "timestamp"
_DAY = timedelta(days=1)
Inputs = Mapping[str, str]


@dataclass
class _Version:
    """The newest rows of a version, the effective callers of earlier ones, and what was normal before."""

    rows: deque[Row] = field(default_factory=lambda: deque(maxlen=ROWS))
    earlier: deque[float] = field(default_factory=lambda: deque(maxlen=50))
    was_normal: set[tuple[str, Channel]] = field(default_factory=set)
    read_at: tuple[float, float] | None = None
    normals: Mapping[str, Normal] = field(default_factory=dict)


class RowFaults:
    """The newest rows of one endpoint."""

    def __init__(self) -> None:
        """Have no rows yet."""
        self._versions: dict[str, _Version] = {}

    def judge(
        self,
        stores: Stores,
        spec: EndpointSpec,
        records: Iterable[Mapping[str, Any]],
        inputs: Mapping[str, Inputs],
        now: datetime,
        *,
        is_failing: bool,
    ) -> Verdict | None:
        """Return the verdict on the newest rows after these records; None with too few, or without proof of either.

        ``inputs`` are the features of each version that serves, with their types. ``is_failing``: there is an alert, of
        another process perhaps, which saw what was normal before.
        """
        rule = next((rule for rule in spec.alerts if rule.kind == DATA_QUALITY), None)
        changed = self._add(records)
        if rule is None:
            return None
        passed: Verdict | None = None
        for version in changed & inputs.keys():
            known = self._versions[version]
            _read_normals(stores, spec, version, inputs[version], known)
            rows = list(known.rows)
            if len(rows) == ROWS and known.normals:
                faults = _faults(stores, spec, known, rows, now, is_failing=is_failing)
                if faults:
                    return _verdict(rule, version, rows, faults, now)
                if not suspects(rows, known.normals):
                    passed = _verdict(rule, version, rows, [], now)
        return passed

    def _add(self, records: Iterable[Mapping[str, Any]]) -> set[str]:
        """Add the records' rows; return the versions that they are of."""
        changed: set[str] = set()
        for record in records:
            version = record.get("version")
            if version is not None:
                rows = list(rows_of(record))
                self._versions.setdefault(version, _Version()).rows.extend(rows)
                changed |= {version} if rows else set()
        return changed


def rows_of(record: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of a request that are judged; none of a test, a failure, or one whose features are not kept."""
    features = record.get("f")
    if record.get("status") != _ANSWERED or record.get("source") == _TEST or not features:
        return
    caller = record.get("user") or record.get("session") or record["id"]
    for place in taken_rows(record["n"]):
        yield Row(caller, {name: values[place] for name, values in features.items()})


def _read_normals(stores: Stores, spec: EndpointSpec, version: str, inputs: Inputs, known: _Version) -> None:
    """Read again what is normal where it has changed: of monitored features that are not moments and not redacted."""
    changed_at = stores.normal_values.changed_at(spec.name, spec.model_name, version)
    if changed_at == known.read_at:
        return
    monitored = spec.features or tuple(inputs)
    found = stores.normal_values.read(spec.name, spec.model_name, version)
    kept = [name for name in monitored if name not in spec.capture.redact and inputs.get(name) != _MOMENT]
    known.normals, known.read_at = {name: found[name] for name in kept if name in found}, changed_at


def _faults(
    stores: Stores, spec: EndpointSpec, known: _Version, rows: Sequence[Row], now: datetime, *, is_failing: bool
) -> Sequence[Fault]:
    """Return the version's faults, without those that are no news, or that a person accepted; take note of the rest."""
    effective = effective_callers(rows)
    found = faults_of(rows, known.normals) if has_enough_callers(effective, known.earlier) else []
    news = [
        one for one in found if is_failing or not one.normal.trained or (one.column, one.channel) in known.was_normal
    ]
    suspected = suspects(rows, known.normals)
    known.was_normal |= {(name, channel) for name in known.normals for channel in CHANNELS} - suspected
    if not suspected:
        known.earlier.append(effective)
    return [one for one in news if not _is_accepted(stores, spec, one, now)]


def _is_accepted(stores: Stores, spec: EndpointSpec, fault: Fault, now: datetime) -> bool:
    """Return whether a person accepted the feature's values; the days before hold them a day later."""
    accepted = [one.until for one in stores.acceptances.of(spec.name) if one.column == fault.column]
    return any(fault.normal.trained or now < until + _DAY for until in accepted)


def _verdict(rule: AlertRule, version: str, rows: Sequence[Row], faults: Sequence[Fault], now: datetime) -> Verdict:
    of = f"({len(rows)} rows of version {version} to {now:%H:%M:%S}Z)"
    words = "; ".join(fault.words for fault in faults[:NAMED]) or "the newest rows have no gross fault"
    value, limit = (faults[0].share, faults[0].limit) if faults else (0.0, None)
    name, severity = f"{rule.name}{NOW}", severity_of(rule)
    return Verdict(name, rule.kind, severity, not faults, value, limit, len(rows), text(now), f"{words} {of}")
