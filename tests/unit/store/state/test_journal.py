"""The loop's memory: no mark is lost, one matter is one open alert."""

import random
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from modelops_pipelines.core.alerting.alerts import OPEN, RESOLVED, Alert
from modelops_pipelines.store.state.database import Database
from modelops_pipelines.store.state.journal import Gate, Journal, Progress, TrainingSet

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
W1, W2, W3 = (NOW + timedelta(hours=n) for n in range(3))
ALERT = Alert("e", "drift", OPEN, "warning", "m", 1, 0, NOW, NOW, None, "w", "w")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(Database(f"sqlite:///{tmp_path / 'state.db'}"))


def test_marks_are_each_consumers_own_and_cleared_when_settled(journal: Journal) -> None:
    journal.touch("e", ["profiles", "drift"], [W2, W1])
    touched = journal.touched("e", "profiles")
    assert (W1, W2) == touched.windows
    journal.settle("e", "profiles", touched)
    assert () == journal.touched("e", "profiles").windows
    assert (W1, W2) == journal.touched("e", "drift").windows
    assert () == journal.touched("other", "drift").windows
    assert journal.pending("e") == 2


def test_a_window_marked_again_while_it_is_computed_stays_marked(journal: Journal) -> None:
    journal.touch("e", ["profiles"], [W1, W2])
    touched = journal.touched("e", "profiles")
    journal.touch("e", ["profiles"], [W1, W3])
    journal.settle("e", "profiles", touched)
    assert (W1, W3) == journal.touched("e", "profiles").windows


def test_settling_marks_the_windows_for_those_that_build_on_them(journal: Journal) -> None:
    journal.touch("e", ["profiles"], [W1, W2])
    journal.settle("e", "profiles", journal.touched("e", "profiles"), ["drift"])
    assert (W1, W2) == journal.touched("e", "drift").windows


def test_settling_what_a_person_asked_for_clears_no_mark(journal: Journal) -> None:
    journal.touch("e", ["profiles"], [W1])
    journal.settle("e", "profiles", replace(journal.touched("e", "profiles"), up_to=0), ["drift"])
    assert (W1,) == journal.touched("e", "profiles").windows == journal.touched("e", "drift").windows


def test_no_change_is_left_uncomputed_while_many_mark_and_one_computes(journal: Journal) -> None:
    changes, computed, lock, ending = {W1: 0, W2: 0, W3: 0}, {W1: 0, W2: 0, W3: 0}, threading.Lock(), threading.Event()

    def mark(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            window = chance.choice([W1, W2, W3])
            with lock:
                changes[window] += 1
            journal.touch("e", ["profiles"], [window])

    def compute() -> None:
        while not ending.is_set():
            step()

    def step() -> None:
        touched = journal.touched("e", "profiles")
        with lock:
            computed.update({window: changes[window] for window in touched.windows})
        journal.settle("e", "profiles", touched)

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
    assert journal.pending("e") == 0


def test_a_rule_has_at_most_one_open_alert_and_any_number_of_resolved_ones(journal: Journal) -> None:
    journal.write_alerts("e", [ALERT], "run 1")
    with pytest.raises(sa.exc.IntegrityError):
        journal.write_alerts("e", [ALERT], "run 2")
    assert journal.alert_sources("e") == ["run 1"]
    opened = journal.open_alert("e", "drift")
    assert opened is not None
    journal.write_alerts("e", [replace(opened, status=RESOLVED, resolved_at=NOW)], "run 3")
    journal.write_alerts("e", [ALERT, replace(ALERT, rule="error_rate"), replace(ALERT, endpoint="f")], "run 4")
    assert [OPEN, OPEN, RESOLVED] == [alert.status for alert in journal.alerts("e")]
    assert {"drift", "error_rate"} == {alert.rule for alert in journal.alerts("e", OPEN)}


def test_an_alert_is_kept_whole_and_written_over_by_its_number(journal: Journal) -> None:
    journal.write_alerts("e", [ALERT], "run 1")
    opened = journal.open_alert("e", "drift")
    assert opened is not None
    assert replace(ALERT, id=opened.id) == opened
    journal.write_alerts("e", [replace(opened, count=7)], "run 2")
    assert [replace(opened, count=7)] == journal.alerts("e")
    assert journal.open_alert("e", "error_rate") is None


def test_progress_is_the_latest_and_nothing_at_first(journal: Journal) -> None:
    assert Progress("e", None, 0, 0) == journal.progress("e")
    for progress in (Progress("e", None, 1, 0), Progress("e", W1, 5, 2)):
        journal.record_progress(progress, NOW)
    assert Progress("e", W1, 5, 2) == journal.progress("e")


def test_training_sets_and_gates_are_the_same_record_when_written_again(journal: Journal) -> None:
    made = TrainingSet("e", "abc", None, 10, 5, W1, NOW)
    gate = Gate("e", "2", "1", "abc", "g", "pass", {"reason": "better", "lower_bound": 0.01, "days": None}, NOW)
    for _ in range(2):
        journal.record_training_set(made)
        journal.record_gate(gate)
    assert [made] == journal.training_sets("e")
    assert [gate] == journal.gates("e")


def test_a_retraining_is_numbered_when_it_starts_and_completed_later(journal: Journal) -> None:
    numbers = [journal.start_retraining("e", watermark, "drift", NOW) for watermark in (None, W1)]
    assert numbers[0] < numbers[1]
    journal.finish_retraining("e", "abc", "2")
    first, second = journal.retrainings("e")
    assert (None, None, None) == (first.watermark, first.training_set, first.version)
    assert (W1, "abc", "2") == (second.watermark, second.training_set, second.version)
