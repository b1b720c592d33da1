"""The loop's memory: no mark is lost, one matter is one open alert."""

import random
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from modelops_pipelines.core.alerting.alerts import OPEN, RESOLVED, Alert
from modelops_pipelines.core.alerting.records import AlertRecord
from modelops_pipelines.store.state.alerting.alerts import Alerts
from modelops_pipelines.store.state.capture.ingest_progress import IngestProgress, Progress
from modelops_pipelines.store.state.capture.touched_windows import TouchedWindows
from modelops_pipelines.store.state.database import Database
from modelops_pipelines.store.state.improve.gates import Gate, Gates
from modelops_pipelines.store.state.improve.retrainings import Retrainings
from modelops_pipelines.store.state.improve.training_sets import TrainingSet, TrainingSets

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
W1, W2, W3 = (NOW + timedelta(hours=n) for n in range(3))
ALERT = Alert("e", "drift", "drift", OPEN, "warning", "m", 1, 0, NOW, NOW, None, "w", "w")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'state.db'}")


@pytest.fixture
def touched_windows(database: Database) -> TouchedWindows:
    return TouchedWindows(database)


@pytest.fixture
def alerts(database: Database) -> Alerts:
    return Alerts(database)


def test_marks_are_each_consumers_own_and_cleared_when_settled(touched_windows: TouchedWindows) -> None:
    touched_windows.mark("e", ["profiles", "drift"], [W2, W1])
    touched = touched_windows.pending("e", "profiles")
    assert (W1, W2) == touched.windows
    touched_windows.clear("e", "profiles", touched)
    assert () == touched_windows.pending("e", "profiles").windows
    assert (W1, W2) == touched_windows.pending("e", "drift").windows
    assert () == touched_windows.pending("other", "drift").windows
    assert touched_windows.count("e") == 2


def test_a_window_marked_again_while_it_is_computed_stays_marked(touched_windows: TouchedWindows) -> None:
    touched_windows.mark("e", ["profiles"], [W1, W2])
    touched = touched_windows.pending("e", "profiles")
    touched_windows.mark("e", ["profiles"], [W1, W3])
    touched_windows.clear("e", "profiles", touched)
    assert (W1, W3) == touched_windows.pending("e", "profiles").windows


def test_settling_marks_the_windows_for_those_that_build_on_them(touched_windows: TouchedWindows) -> None:
    touched_windows.mark("e", ["profiles"], [W1, W2])
    touched_windows.clear("e", "profiles", touched_windows.pending("e", "profiles"), ["drift"])
    assert (W1, W2) == touched_windows.pending("e", "drift").windows


def test_settling_what_a_person_asked_for_clears_no_mark(touched_windows: TouchedWindows) -> None:
    touched_windows.mark("e", ["profiles"], [W1])
    touched_windows.clear("e", "profiles", replace(touched_windows.pending("e", "profiles"), up_to=0), ["drift"])
    assert (W1,) == touched_windows.pending("e", "profiles").windows == touched_windows.pending("e", "drift").windows


def test_no_change_is_left_uncomputed_while_many_mark_and_one_computes(touched_windows: TouchedWindows) -> None:
    changes, computed, lock, ending = {W1: 0, W2: 0, W3: 0}, {W1: 0, W2: 0, W3: 0}, threading.Lock(), threading.Event()

    def mark(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            window = chance.choice([W1, W2, W3])
            with lock:
                changes[window] += 1
            touched_windows.mark("e", ["profiles"], [window])

    def compute() -> None:
        while not ending.is_set():
            step()

    def step() -> None:
        touched = touched_windows.pending("e", "profiles")
        with lock:
            computed.update({window: changes[window] for window in touched.windows})
        touched_windows.clear("e", "profiles", touched)

    markers = [threading.Thread(target=mark, args=(seed,)) for seed in range(3)]
    computer = threading.Thread(target=compute)
    for thread in (*markers, computer):
        thread.start()
    for thread in markers:
        thread.join()
    ending.set()
    computer.join()
    step()
    assert changes == computed
    assert touched_windows.count("e") == 0


def test_a_rule_has_at_most_one_open_alert_and_any_number_of_resolved_ones(alerts: Alerts) -> None:
    alerts.write("e", [AlertRecord(ALERT)], [], NOW, source="run 1")
    with pytest.raises(sa.exc.IntegrityError):
        alerts.write("e", [AlertRecord(ALERT)], [], NOW, source="run 2")
    assert alerts.sources("e") == ["run 1"]
    opened = alerts.find_open("e", "drift")
    assert opened is not None
    alerts.write("e", [AlertRecord(replace(opened, status=RESOLVED, resolved_at=NOW))], [], NOW, source="run 3")
    others = [ALERT, replace(ALERT, rule="error_rate"), replace(ALERT, endpoint="f")]
    alerts.write("e", [AlertRecord(one) for one in others], [], NOW, source="run 4")
    assert [OPEN, OPEN, RESOLVED] == [alert.status for alert in alerts.find("e")]
    assert {"drift", "error_rate"} == {alert.rule for alert in alerts.find("e", OPEN)}


def test_an_alert_is_kept_whole_and_written_over_by_its_number(alerts: Alerts) -> None:
    alerts.write("e", [AlertRecord(ALERT)], [], NOW, source="run 1")
    opened = alerts.find_open("e", "drift")
    assert opened is not None
    assert replace(ALERT, id=opened.id) == opened
    alerts.write("e", [AlertRecord(replace(opened, count=7))], [], NOW, source="run 2")
    assert [replace(opened, count=7)] == alerts.find("e")
    assert alerts.find_open("e", "error_rate") is None


def test_progress_is_the_latest_and_nothing_at_first(database: Database) -> None:
    store = IngestProgress(database)
    assert Progress("e", None, 0, 0) == store.of("e")
    for progress in (Progress("e", None, 1, 0), Progress("e", W1, 5, 2)):
        store.record(progress, NOW)
    assert Progress("e", W1, 5, 2) == store.of("e")


def test_training_sets_and_gates_are_the_same_record_when_written_again(database: Database) -> None:
    sets, gates = TrainingSets(database), Gates(database)
    made = TrainingSet("e", "abc", None, 10, 5, W1, NOW)
    gate = Gate("e", "2", "1", "abc", "g", "pass", {"reason": "better", "lower_bound": 0.01, "days": None}, NOW)
    for _ in range(2):
        sets.record(made)
        gates.record(gate)
    assert [made] == sets.of("e")
    assert [gate] == gates.of("e")


def test_a_retraining_is_numbered_when_it_starts_and_completed_later(database: Database) -> None:
    retrainings = Retrainings(database)
    numbers = [retrainings.start("e", watermark, "drift", NOW) for watermark in (None, W1)]
    assert numbers[0] < numbers[1]
    retrainings.finish("e", "abc", "2")
    first, second = retrainings.of("e")
    assert (None, None, None) == (first.watermark, first.training_set, first.version)
    assert (W1, "abc", "2") == (second.watermark, second.training_set, second.version)
