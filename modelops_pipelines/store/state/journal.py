"""What the loop remembers between runs: touched windows, progress, alerts, training sets, gates, retrainings."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.alerting.alerts import OPEN, Alert
from modelops_pipelines.store.state.database import Database, from_micros, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

SOURCES_KEPT = 100
_TOUCHED = STATE_TABLES["touched_windows"]
_PROGRESS = STATE_TABLES["progress"]
_SETTINGS = STATE_TABLES["settings"]
_ALERTS = STATE_TABLES["alerts"]
_SETS = STATE_TABLES["training_sets"]
_GATES = STATE_TABLES["gates"]
_RETRAININGS = STATE_TABLES["retrainings"]
_MIRRORED = STATE_TABLES["mirrored"]


@dataclass(frozen=True)
class Touched:
    """Windows that a consumer has to compute again, and the mark up to which this says so."""

    windows: tuple[datetime, ...]
    up_to: int


@dataclass(frozen=True)
class Progress:
    """How far an endpoint's data reaches."""

    endpoint: str
    watermark: datetime | None
    predictions: int
    labels: int


@dataclass(frozen=True)
class TrainingSet:
    """An immutable training set; its table is ``training_sets/<content hash>``."""

    endpoint: str
    content_hash: str
    base_hash: str | None
    rows: int
    labels_seen: int
    watermark: datetime | None
    at: datetime


@dataclass(frozen=True)
class Gate:
    """A verdict on a candidate."""

    endpoint: str
    version: str
    champion: str | None
    data_hash: str
    gate_hash: str
    verdict: str
    numbers: Mapping[str, object]
    at: datetime


@dataclass(frozen=True)
class Retraining:
    """One start of retraining and what came of it."""

    id: int
    endpoint: str
    at: datetime
    watermark: datetime | None
    reason: str
    training_set: str | None
    version: str | None


class Journal:
    """The loop's memory. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def touch(self, endpoint: str, consumers: Iterable[str], windows: Iterable[datetime]) -> None:
        """Mark windows as changed for the consumers; marking again moves the mark, so that none is lost."""
        with self._database.begin() as connected:
            _touch(connected, endpoint, consumers, windows)

    def touched(self, endpoint: str, consumer: str) -> Touched:
        """Return the consumer's changed windows. Read them before opening the data that they speak of."""
        query = sa.select(_TOUCHED.c.id, _TOUCHED.c.window_start).where(_of(endpoint, consumer))
        with self._database.read() as connected:
            rows = connected.execute(query).all()
        return Touched(tuple(sorted(moment(row.window_start) for row in rows)), max((r.id for r in rows), default=0))

    def settle(
        self,
        endpoint: str,
        consumer: str,
        touched: Touched,
        then: Iterable[str] = (),
        left: Iterable[datetime] = (),
    ) -> None:
        """Clear what was computed and, in the same transaction, mark the windows for those that build on it.

        A window marked again meanwhile has a newer mark and stays, and so do those that are ``left`` for later.
        """
        with self._database.begin() as connected:
            done = sa.and_(_of(endpoint, consumer), _TOUCHED.c.id <= touched.up_to)
            connected.execute(_TOUCHED.delete().where(done))
            _touch(connected, endpoint, [consumer], left)
            _touch(connected, endpoint, then, touched.windows)

    def pending(self, endpoint: str) -> int:
        """Return how many marks are left for any consumer."""
        query = sa.select(sa.func.count()).select_from(_TOUCHED).where(_TOUCHED.c.endpoint == endpoint)
        with self._database.read() as connected:
            return connected.scalar(query) or 0

    def record_progress(self, progress: Progress, now: datetime) -> None:
        """Write how far the data reaches."""
        values = {**asdict(progress), "watermark": to_micros(progress.watermark), "at": to_micros(now)}
        with self._database.begin() as connected:
            connected.execute(_PROGRESS.delete().where(_PROGRESS.c.endpoint == progress.endpoint))
            connected.execute(_PROGRESS.insert().values(**values))

    def progress(self, endpoint: str) -> Progress:
        """Return how far the data reaches; nothing yet is a watermark of None."""
        with self._database.read() as connected:
            row = connected.execute(sa.select(_PROGRESS).where(_PROGRESS.c.endpoint == endpoint)).mappings().first()
        if row is None:
            return Progress(endpoint, None, 0, 0)
        return Progress(endpoint, from_micros(row["watermark"]), row["predictions"], row["labels"])

    def alerts(self, endpoint: str | None = None, status: str | None = None) -> list[Alert]:
        """Return alerts, newest first."""
        query = sa.select(_ALERTS).order_by(_ALERTS.c.id.desc())
        if endpoint is not None:
            query = query.where(_ALERTS.c.endpoint == endpoint)
        if status is not None:
            query = query.where(_ALERTS.c.status == status)
        with self._database.read() as connected:
            return [_alert(row) for row in connected.execute(query).mappings()]

    def open_alert(self, endpoint: str, rule: str) -> Alert | None:
        """Return the rule's open alert, if any."""
        return next((alert for alert in self.alerts(endpoint, OPEN) if alert.rule == rule), None)

    def write_alerts(self, endpoint: str, alerts: Iterable[Alert], source: str) -> None:
        """Write alerts as they are now, and what they came from: all or nothing."""
        with self._database.begin() as connected:
            for alert in alerts:
                _write_alert(connected, alert)
            known = [*_sources(connected, endpoint), source][-SOURCES_KEPT:]
            connected.execute(_SETTINGS.delete().where(_SETTINGS.c.name == _sources_name(endpoint)))
            connected.execute(_SETTINGS.insert().values(name=_sources_name(endpoint), value=json.dumps(known)))

    def update_alerts(self, alerts: Iterable[Alert]) -> None:
        """Write alerts of any endpoint as they are now, which come from no run: all or nothing."""
        with self._database.begin() as connected:
            for alert in alerts:
                _write_alert(connected, alert)

    def alert_sources(self, endpoint: str) -> list[str]:
        """Return the newest sources whose alerts were written, oldest first."""
        with self._database.read() as connected:
            return _sources(connected, endpoint)

    def record_training_set(self, record: TrainingSet) -> None:
        """Write a training set's record; the same content is the same record."""
        same = sa.and_(_SETS.c.endpoint == record.endpoint, _SETS.c.content_hash == record.content_hash)
        values = {**asdict(record), "watermark": to_micros(record.watermark), "at": to_micros(record.at)}
        with self._database.begin() as connected:
            connected.execute(_SETS.delete().where(same))
            connected.execute(_SETS.insert().values(**values))

    def training_sets(self, endpoint: str) -> list[TrainingSet]:
        """Return the endpoint's training sets, oldest first."""
        with self._database.read() as connected:
            rows = connected.execute(
                sa.select(_SETS).where(_SETS.c.endpoint == endpoint).order_by(_SETS.c.at)
            ).mappings()
            return [_training_set(row) for row in rows]

    def record_gate(self, gate: Gate) -> None:
        """Write a verdict; the same version, data and gate are the same verdict."""
        key = ("endpoint", "version", "data_hash", "gate_hash")
        same = sa.and_(*(_GATES.c[name] == getattr(gate, name) for name in key))
        values = {**asdict(gate), "numbers": dict(gate.numbers), "at": to_micros(gate.at)}
        with self._database.begin() as connected:
            connected.execute(_GATES.delete().where(same))
            connected.execute(_GATES.insert().values(**values))

    def gates(self, endpoint: str) -> list[Gate]:
        """Return the endpoint's verdicts, oldest first."""
        query = sa.select(_GATES).where(_GATES.c.endpoint == endpoint).order_by(_GATES.c.at)
        with self._database.read() as connected:
            return [Gate(**{**row, "at": moment(row["at"])}) for row in connected.execute(query).mappings()]

    def start_retraining(self, endpoint: str, watermark: datetime | None, reason: str, now: datetime) -> int:
        """Write that a retraining starts; return its number."""
        values = {"endpoint": endpoint, "at": to_micros(now), "watermark": to_micros(watermark), "reason": reason}
        with self._database.begin() as connected:
            result = connected.execute(_RETRAININGS.insert().values(**values, training_set=None, version=None))
            key: Any = result.inserted_primary_key
            return int(key[0])

    def finish_retraining(self, endpoint: str, training_set: str, version: str) -> None:
        """Write what the endpoint's latest retraining came to."""
        latest = sa.select(sa.func.max(_RETRAININGS.c.id)).where(_RETRAININGS.c.endpoint == endpoint).scalar_subquery()
        change = _RETRAININGS.update().where(_RETRAININGS.c.id == latest)
        with self._database.begin() as connected:
            connected.execute(change.values(training_set=training_set, version=version))

    def retrainings(self, endpoint: str) -> list[Retraining]:
        """Return the endpoint's retrainings, oldest first."""
        query = sa.select(_RETRAININGS).where(_RETRAININGS.c.endpoint == endpoint).order_by(_RETRAININGS.c.id)
        with self._database.read() as connected:
            rows: Sequence[RowMapping] = connected.execute(query).mappings().all()
        return [
            Retraining(**{**row, "at": moment(row["at"]), "watermark": from_micros(row["watermark"])}) for row in rows
        ]

    def mirrored(self, model_name: str) -> dict[str, str | None]:
        """Return what the registry was last told of the model from here: by name, None for what was taken away."""
        query = sa.select(_MIRRORED.c.name, _MIRRORED.c.value).where(_MIRRORED.c.model_name == model_name)
        with self._database.read() as connected:
            return {row.name: row.value for row in connected.execute(query)}

    def record_mirrored(self, model_name: str, told: Mapping[str, str | None], now: datetime) -> None:
        """Write what the registry was told of the model."""
        rows = [{"model_name": model_name, "name": n, "value": v, "at": to_micros(now)} for n, v in told.items()]
        same = sa.and_(_MIRRORED.c.model_name == model_name, _MIRRORED.c.name.in_(list(told)))
        with self._database.begin() as connected:
            connected.execute(_MIRRORED.delete().where(same))
            if rows:
                connected.execute(_MIRRORED.insert(), rows)


def _of(endpoint: str, consumer: str) -> sa.ColumnElement[bool]:
    return sa.and_(_TOUCHED.c.endpoint == endpoint, _TOUCHED.c.consumer == consumer)


def _touch(connected: sa.Connection, endpoint: str, consumers: Iterable[str], windows: Iterable[datetime]) -> None:
    starts = [to_micros(window) for window in windows]
    for consumer in consumers:
        again = sa.and_(_of(endpoint, consumer), _TOUCHED.c.window_start.in_(starts))
        connected.execute(_TOUCHED.delete().where(again))
        rows = [{"endpoint": endpoint, "consumer": consumer, "window_start": start} for start in starts]
        if rows:
            connected.execute(_TOUCHED.insert(), rows)


def _sources_name(endpoint: str) -> str:
    return f"sources of the alerts of {endpoint}"


def _sources(connected: sa.Connection, endpoint: str) -> list[str]:
    kept = connected.scalar(sa.select(_SETTINGS.c.value).where(_SETTINGS.c.name == _sources_name(endpoint)))
    return list(json.loads(kept)) if kept else []


def _write_alert(connected: sa.Connection, alert: Alert) -> None:
    times = ("opened_at", "last_seen_at", "resolved_at")
    values = {**asdict(alert), **{name: to_micros(getattr(alert, name)) for name in times}}
    number = values.pop("id")
    if number is None:
        connected.execute(_ALERTS.insert().values(**values))
    else:
        connected.execute(_ALERTS.update().where(_ALERTS.c.id == number).values(**values))


def _alert(row: RowMapping) -> Alert:
    times = {"opened_at": moment(row["opened_at"]), "last_seen_at": moment(row["last_seen_at"])}
    return Alert(**{**row, **times, "resolved_at": from_micros(row["resolved_at"])})


def _training_set(row: RowMapping) -> TrainingSet:
    return TrainingSet(**{**row, "watermark": from_micros(row["watermark"]), "at": moment(row["at"])})
