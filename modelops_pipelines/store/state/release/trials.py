"""Verdicts on versions on trial, and A/B tests."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.store.state.database import Database, from_micros, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_TRIALS = STATE_TABLES["trials"]
_EXPERIMENTS = STATE_TABLES["experiments"]


@dataclass(frozen=True)
class Trial:
    """One verdict on a challenger, or on a new champion."""

    endpoint: str
    generation: int
    version: str
    share: int
    verdict: str
    numbers: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True)
class Experiment:
    """An A/B test: two versions that both serve until a person decides."""

    experiment_id: str
    endpoint: str
    champion: str
    challenger: str
    share: int
    settings: Mapping[str, Any]
    actor: str
    reason: str
    started_at: datetime
    ended_at: datetime | None = None
    decision: str | None = None
    result: Mapping[str, Any] | None = None


class Trials:
    """The store of verdicts on trials and of experiments. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def record(self, trial: Trial) -> None:
        """Write a verdict; it replaces the last of its generation if version and verdict are the same."""
        values = {**asdict(trial), "numbers": dict(trial.numbers), "at": to_micros(trial.at)}
        same = sa.and_(_TRIALS.c.endpoint == trial.endpoint, _TRIALS.c.generation == trial.generation)
        with self._database.begin() as connected:
            query = sa.select(_TRIALS).where(same).order_by(_TRIALS.c.id.desc()).limit(1)
            last = connected.execute(query).mappings().first()
            if last is not None and (last["version"], last["verdict"]) == (trial.version, trial.verdict):
                connected.execute(_TRIALS.update().where(_TRIALS.c.id == last["id"]).values(**values))
            else:
                connected.execute(_TRIALS.insert().values(**values))

    def of(self, endpoint: str, generation: int | None = None) -> list[Trial]:
        """Return the endpoint's verdicts, oldest first; of one generation if given."""
        query = sa.select(_TRIALS).where(_TRIALS.c.endpoint == endpoint).order_by(_TRIALS.c.id)
        if generation is not None:
            query = query.where(_TRIALS.c.generation == generation)
        with self._database.read() as connected:
            rows = connected.execute(query).mappings().all()
        return [Trial(**{k: v for k, v in row.items() if k not in {"id", "at"}}, at=moment(row["at"])) for row in rows]

    def start(self, experiment: Experiment) -> None:
        """Write a new experiment; raises ConflictError for a name that was used, or while another one runs."""
        with self._database.begin() as connected:
            if connected.execute(sa.select(_EXPERIMENTS).where(_named(experiment.experiment_id))).first() is not None:
                raise ConflictError(
                    f"An A/B test named {experiment.experiment_id!r} exists already", "Use another name"
                )
            others = sa.and_(_EXPERIMENTS.c.endpoint == experiment.endpoint, _EXPERIMENTS.c.ended_at.is_(None))
            if connected.execute(sa.select(_EXPERIMENTS).where(others)).first() is not None:
                raise ConflictError(
                    f"Another A/B test is running on endpoint {experiment.endpoint!r}",
                    "End it first: modelops ab end",
                )
            connected.execute(_EXPERIMENTS.insert().values(**_values(experiment)))

    def forget(self, experiment_id: str) -> None:
        """Delete an experiment that never started."""
        with self._database.begin() as connected:
            connected.execute(_EXPERIMENTS.delete().where(_named(experiment_id), _EXPERIMENTS.c.ended_at.is_(None)))

    def end(self, experiment: Experiment) -> bool:
        """Record the end of the experiment; False when it has ended already."""
        running = sa.and_(_named(experiment.experiment_id), _EXPERIMENTS.c.ended_at.is_(None))
        with self._database.begin() as connected:
            return connected.execute(_EXPERIMENTS.update().where(running).values(**_values(experiment))).rowcount == 1

    def experiments(self, endpoint: str | None = None) -> list[Experiment]:
        """Return the experiments, oldest first."""
        query = sa.select(_EXPERIMENTS).order_by(_EXPERIMENTS.c.started_at)
        if endpoint is not None:
            query = query.where(_EXPERIMENTS.c.endpoint == endpoint)
        with self._database.read() as connected:
            return [_experiment(row) for row in connected.execute(query).mappings()]

    def running(self, endpoint: str) -> Experiment | None:
        """Return the experiment that has not been decided yet, if any."""
        return next((one for one in self.experiments(endpoint) if one.ended_at is None), None)


def _named(experiment_id: str) -> sa.ColumnElement[bool]:
    return _EXPERIMENTS.c.experiment_id == experiment_id


def _values(experiment: Experiment) -> dict[str, Any]:
    times = {"started_at": to_micros(experiment.started_at), "ended_at": to_micros(experiment.ended_at)}
    more = {"settings": dict(experiment.settings), "result": dict(experiment.result or {})}
    return {**asdict(experiment), **more, **times}


def _experiment(row: RowMapping) -> Experiment:
    times = {"started_at": moment(row["started_at"]), "ended_at": from_micros(row["ended_at"])}
    return Experiment(**{**row, **times})
