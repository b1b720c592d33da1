"""A backup that is taken under traffic, restored elsewhere: it goes on where it was, and nothing is lost or doubled."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.operations.release.commands import deploy, roll_back
from tests.support.command_line import modelops
from tests.support.evaluation_days import is_today_held_out
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.homes import backed_up, restored
from tests.support.project import Project, cancer_frame, rows_of, train_first
from tests.support.tables import table_rows
from tests.support.waiting import wait_until
from tests.worlds.dagster_project import world_of

RATE = 50
STREAMS = ("labels", "feedback", "predictions")


@dataclass
class Traffic:
    """What callers were answered: each request's id, and each label's, with the time of the answer."""

    answered: dict[str, float] = field(default_factory=dict)
    labelled: dict[str, float] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def before(self, moment: float) -> tuple[set[str], set[str]]:
        """Return the requests and the labels that were acknowledged before a moment."""
        requests = {name for name, at in self.answered.items() if at < moment}
        return requests, {name for name, at in self.labelled.items() if at < moment}


@contextmanager
def traffic(gateway: RunningGateway) -> Iterator[Traffic]:
    """Ask for a prediction RATE times a second, and label every second one, while the block runs."""
    seen, stopped = Traffic(), threading.Event()
    row = rows_of(cancer_frame().head(1))

    def ask() -> None:
        with httpx.Client(base_url=gateway.client.base_url, timeout=60) as client:
            due = time.monotonic()
            while not stopped.is_set():
                due += 1 / RATE
                answer = client.post("/endpoints/cancer/invocations", json={"dataframe_records": row})
                if answer.status_code != 200:
                    seen.refused.append(answer.text)
                    continue
                request = answer.json()["request_id"]
                seen.answered[request] = time.time()
                if len(seen.answered) % 2:
                    named = {"prediction_id": f"{request}-0", "label": 1}
                    said = client.post("/endpoints/cancer/labels", json={"labels": [named]})
                    assert said.status_code == 202, said.text
                    seen.labelled[f"{request}-0"] = time.time()
                time.sleep(max(0.0, due - time.monotonic()))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        stopped.set()
        thread.join()


@contextmanager
def monitoring(project: Project) -> Iterator[None]:
    """Ingest and measure again and again, as the sensors have it done, while the block runs."""
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            for stream in STREAMS:
                ingest(project.stores, project.spec, stream)
            measure_service(project.stores, project.spec)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def assert_holds_once(project: Project, requests: set[str], labels: set[str]) -> None:
    """Assert that the log has the requests, and the labels, exactly once, and that the metrics count what it has."""
    for stream in STREAMS:
        ingest(project.stores, project.spec, stream)
    measure_service(project.stores, project.spec)
    log, labelled = table_rows(project, "inference_log"), table_rows(project, "labels")
    assert not [name for name, times in Counter(row["prediction_id"] for row in log).items() if times > 1]
    assert not [name for name, times in Counter(row["prediction_id"] for row in labelled).items() if times > 1]
    assert requests <= {row["request_id"] for row in log}
    assert labels <= {row["prediction_id"] for row in labelled}
    assert counted(project) == len({row["request_id"] for row in log})


def counted(project: Project) -> int:
    """Return the requests that the service metrics count."""
    said = modelops(project, "sql", "SELECT sum(requests) AS n FROM cancer.service_metrics", "--json")
    return int(said.json[0]["n"])


@pytest.fixture
def saved_under_load(origin: Project, tmp_path: Path) -> tuple[Project, Traffic, float]:
    """Return a project, restored elsewhere from a backup that was taken under load, and what it must hold.

    The home that was saved is gone.
    """
    with running_gateway(origin) as gateway, traffic(gateway) as seen, monitoring(origin):
        wait_until(lambda: len(seen.answered) > RATE, 60)
        moment = time.time()
        backed_up(origin, tmp_path / "target")
        ended = len(seen.answered)
        wait_until(lambda: len(seen.answered) > ended + RATE // 2, 60)
    assert [] == seen.refused
    origin.stores.database.close()
    project = restored(origin, tmp_path / "target", tmp_path / "elsewhere" / "home")
    (origin.folder / "home").rename(tmp_path / "gone")
    return project, seen, moment


def test_a_backup_under_load_has_all_that_was_acknowledged_before_and_goes_on_elsewhere(
    saved_under_load: tuple[Project, Traffic, float], tmp_path: Path
) -> None:
    project, seen, moment = saved_under_load
    requests, labels = seen.before(moment)
    assert len(requests) > RATE
    assert_holds_once(project, requests, labels)
    told = {row["check"]: row for row in modelops(project, "doctor", "--json").json}
    names = ("home", "state", "history", "serving", "models", "registry")
    assert [] == [told[name] for name in names if not told[name]["ok"]]
    with running_gateway(project) as gateway:
        unlabelled = min(requests - {name.removesuffix("-0") for name in seen.labelled})
        late = {"labels": [{"prediction_id": f"{unlabelled}-0", "label": 0}]}
        assert 202 == gateway.client.post("/endpoints/cancer/labels", json=late).status_code
        version = train_first(project, cancer_frame().head(300)).version
        deploy(project.stores, project.spec, version, actor="test", reason="test", force=True)
        assert version == gateway.predict(rows_of(cancer_frame().head(1))).json()["model_version"]
        roll_back(project.stores, project.spec, actor="test", reason="test")
        assert "1" == gateway.predict(rows_of(cancer_frame().head(1))).json()["model_version"]
    with world_of(project, tmp_path / "dagster") as made:
        run = made.materialise()
    assert run.success, [event.message for event in run.all_events if event.is_failure]
    assert f"{unlabelled}-0" in {row["prediction_id"] for row in table_rows(project, "labels")}
    retrained = modelops(project, "retrain", "cancer", "--json")
    without_rows = is_today_held_out() and "No prediction of endpoint 'cancer' has a label yet" in retrained.err
    assert retrained.code == 0 or without_rows, retrained.err
