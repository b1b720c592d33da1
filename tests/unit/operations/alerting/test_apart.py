"""What fails for one endpoint keeps no watch from the others, is logged once, and tried again."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.capture.health import CAPTURE, REFUSED
from modelops_pipelines.core.errors import BusyError, UnavailableError
from modelops_pipelines.core.maintenance.growth import Reading, TableFiles
from modelops_pipelines.operations.alerting.apart import Apart
from modelops_pipelines.operations.alerting.watches.capture_watch import watch_capture, watch_refusals
from modelops_pipelines.operations.alerting.watches.configuration_watch import CONFIGURATION, watch_configurations
from modelops_pipelines.operations.alerting.watches.home_watch import watch_home
from modelops_pipelines.store.spool.segments import SEALED
from tests.support.project import Project, make_project

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
BAD, GOOD = "aaa", "pay"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project in which the alerts of one endpoint cannot be locked."""
    made = make_project(tmp_path / "project")
    lock = made.stores.settings.home / "locks" / f"{BAD}.alerts.lock"
    lock.mkdir(parents=True)
    return made


def refusals(project: Project) -> None:
    watch_refusals(project.stores, {BAD: (5, "full"), GOOD: (5, "full")}, NOW)


def configurations(project: Project) -> None:
    watch_configurations(project.stores, {BAD: "a fault", GOOD: "a fault"}, NOW)


def home(project: Project) -> None:
    tables = tuple(TableFiles(name, "inference_log", 2_500, 5) for name in (BAD, GOOD))
    project.stores.maintenance_ends.note("logs", NOW)
    project.stores.readings.record(Reading(NOW, {"lake": 1}, 1 << 40, tables))
    watch_home(project.stores, NOW)


def capture(project: Project) -> None:
    old = (NOW - timedelta(hours=9)).timestamp()
    for name in (BAD, GOOD):
        segment = project.stores.settings.spool / name / "predictions" / "w" / f"1{SEALED}"
        segment.parent.mkdir(parents=True)
        segment.write_text("x")
        os.utime(segment, (old, old))
    watch_capture(project.stores, [replace(project.spec, name=name) for name in (BAD, GOOD)], NOW)


def capture_unread(project: Project) -> None:
    capture(project)
    (project.stores.settings.home / "locks" / f"{BAD}.alerts.lock").rmdir()
    worker = project.stores.settings.spool / BAD / "predictions" / "loop"
    worker.symlink_to("loop")  # cannot be examined, as a folder without permission
    again = NOW + timedelta(minutes=1)
    watch_capture(project.stores, [replace(project.spec, name=name) for name in (BAD, GOOD)], again)


LOOPS: dict[str, tuple[Callable[[Project], None], str]] = {
    "refusals": (refusals, REFUSED),
    "configurations": (configurations, CONFIGURATION),
    "home": (home, "table_files"),
    "capture": (capture, CAPTURE),
    "a spool that cannot be read": (capture_unread, CAPTURE),
}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_watch_goes_on_with_the_next_endpoint(project: Project, loop: str) -> None:
    watch, rule = LOOPS[loop]
    watch(project)
    assert {(GOOD, rule)} == {(one.endpoint, one.rule) for one in project.stores.alerts.find()}


def test_a_fault_is_logged_once_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    apart = Apart("The watch")
    with caplog.at_level(logging.WARNING):
        for fault in ("a", "a", "b", None, None):
            with apart.alone("pay"):
                if fault is not None:
                    raise PermissionError(fault)
    told = [record.message for record in caplog.records]
    fails = "The watch of pay fails, and is tried again: PermissionError: {}"
    assert [fails.format("a"), fails.format("b"), "The watch of pay works again"] == told


def test_a_fault_of_the_state_ends_the_loop_and_a_lock_that_is_held_is_no_fault() -> None:
    apart = Apart()
    with apart.alone("pay"):
        raise BusyError("held", "Wait")
    apart.raise_first()
    with pytest.raises(UnavailableError), apart.alone("pay"):
        raise UnavailableError("away", "Wait")


def test_who_asks_for_the_faults_is_raised_the_first_when_all_had_their_turn() -> None:
    apart = Apart()
    for name in ("a", "b"):
        with apart.alone(name):
            raise ValueError(name)
    with pytest.raises(ValueError, match="a"):
        apart.raise_first()
    apart.raise_first()
