"""An erasure that dies at any of its steps is finished by the next one, and its windows are not forgotten."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from modelops_pipelines.core.tables.lake import QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.operations.governance import erasure as erasing
from modelops_pipelines.operations.governance.erasure import MARK
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.store.lake.eraser import LakeEraser
from modelops_pipelines.store.state.capture.erased_requests import ErasedRequests
from modelops_pipelines.store.state.capture.erasures import Erasures
from modelops_pipelines.store.state.capture.touched_windows import TouchedWindows
from tests.support.crashing import crash_at
from tests.support.project import Project
from tests.worlds.erasing import DAYS, EXPECTED_ROWS, FROZEN, World, assert_erased, erase, rows

STEPS: dict[str, tuple[Any, str, int]] = {
    "starting": (Erasures, "start", 1),
    "taking in": (erasing, "_ingest_pending", 1),
    "ingesting": (erasing, "ingest", 3),
    "looking": (LakeEraser, "find", 21),
    "recording": (Erasures, "record", 2),
    "telling": (erasing, "_record_in_frozen_sets", 1),
    "marking": (TouchedWindows, "mark", 1),
    "remembering": (ErasedRequests, "add", 1),
    "deleting": (LakeEraser, "delete", 14),
    "clearing authors": (LakeEraser, "clear", 2),
    "deleting a day": (LakeEraser, "_rewrite_day", 9),
    "syncing": (LakeEraser, "_sync", 9),
    "purging": (LakeEraser, "purge", 14),
    "checkpointing": (DeltaTable, "create_checkpoint", 4),
    "removing a file": (Path, "unlink", 25),
    "renewing": (erasing, "_refresh_derived", 1),
    "settling": (TouchedWindows, "clear", 1),
    "counting": (erasing, "record_progress", 1),
    "finishing": (Erasures, "finish", 1),
}
MOMENTS = [
    (step, moment, nth)
    for step, (_, _, calls) in STEPS.items()
    for moment, nth in sorted({("before", 1), ("after", (calls + 1) // 2), ("after", calls)})
]


@pytest.mark.parametrize(("step", "moment", "nth"), MOMENTS)
def test_an_erasure_that_is_killed_anywhere_is_finished_by_the_next(
    copied: tuple[Project, World], step: str, moment: str, nth: int
) -> None:
    project, world = copied
    owner, name, _ = STEPS[step]
    with crash_at(owner, name, nth, moment) as crashed:
        erase(project)
    assert crashed, f"{step} has no call {nth}"
    stores = project.stores
    if step != "finishing":
        for derive in (measure_service, measure_quality):  # a run in between takes marks that came too early
            derive(stores, project.spec)
    erase(project)
    assert_erased(project, world)
    first, *later = Erasures(stores.database).of("cancer")
    assert (EXPECTED_ROWS, {FROZEN: 2}) == (first.rows, first.training_sets)
    assert first.finished_at is not None
    assert len(later) == ((step, moment) == ("finishing", "after"))
    for derive in (measure_service, measure_quality):
        derive(stores, project.spec)
    assert 2 * len(world.others) == sum(row["predictions"] for row in rows(project, SERVICE_METRICS))
    assert len(world.others) == sum(row["labelled"] for row in rows(project, QUALITY_METRICS))
    assert ["drift-2026-02-01T22.html"] == [path.name for path in (stores.settings.reports / "cancer").iterdir()]


def test_the_windows_of_an_erasure_that_was_never_finished_are_still_known(copied: tuple[Project, World]) -> None:
    project, _ = copied
    with crash_at(LakeEraser, "delete", 1, "before"):
        erase(project)
    windows: tuple[datetime, ...] = project.stores.touched_windows.pending("cancer", MARK).windows
    assert DAYS == len(windows)
