"""An endpoint with a version on trial, whose log and labels a test writes minute by minute, on a clock that it sets."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import VERSION, label_row, request_record, write_segment
from tests.support.project import CANCER_YAML, Project, make_project

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
YAML = f"{CANCER_YAML}  promotion: {{strategy: canary, steps: [20, 50, 100], soak: 10m, minimum: 50, undecided: advance}}\n"
WHO: dict[str, Any] = {"actor": "ann", "reason": "a test"}
RIGHT, WRONG = 0.9, 0.2


class Clocked(Stores):
    """Real stores whose clock a test sets."""

    moment = NOW
    segments = 0

    def now(self) -> datetime:
        """Return the time."""
        return self.moment


@contextmanager
def on_trial(folder: Path) -> Iterator[Project]:
    """Yield a project with version 1 live, whose clock stands still."""
    made = make_project(folder, YAML)
    made.stores = Clocked(made.stores.settings)
    for number in ("1", "2", "3"):
        made.stores.deployments.record_version(replace(VERSION, version=number))
    deploy(made.stores, made.spec, "1", **WHO, force=True)
    yield made
    made.stores.database.close()


def traffic(
    project: Project,
    share: int,
    quality: float,
    requests: int = 1000,
    errors: float = 0.0,
    user: Callable[[int], str | None] = lambda _: None,
    labels: float = 1.0,
) -> None:
    """Write the requests of the next minute, a share of them answered by version 2 with that score for the truth."""
    stores: Any = project.stores
    chance = random.Random(requests + share)
    records, known_labels = [], []
    for number in range(requests):
        version = "2" if chance.random() * 100 < share else "1"
        at = stores.moment + MINUTE * (number + 0.5) / requests
        truth = str(chance.randrange(2))
        score = quality if version == "2" else RIGHT
        score = score + chance.uniform(-0.08, 0.08)
        known = {"version": version, "variant": "champion" if version == "1" else "challenger", "user": user(number)}
        if version == "2" and chance.random() < errors:
            failed = {"status": 500, "error": "prediction", "f": {}, "p": None, "s": None}
            records.append(request_record("cancer", number, at, 1, **known, **failed))
            continue
        answer = {"p": ["1"], "s": [score if truth == "1" else 1 - score]}
        record = request_record("cancer", number, at, 1, **known, **answer)
        records.append(record)
        if labels == 1 or number < labels * requests:
            known_labels.append({"rows": [label_row(record, 0, truth, at)]})
    stores.segments += 1
    write_segment(stores, "cancer", "predictions", "w", records, stores.segments)
    write_segment(stores, "cancer", "labels", "w", known_labels, stores.segments)
    for stream in ("predictions", "labels"):
        ingest(stores, project.spec, stream)
    stores.moment += MINUTE
