"""Windows of any time: far apart they are computed apart; out of bounds never, also where a release let them in."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.timestamps import EARLIEST, LATEST, out_of_bounds
from modelops_pipelines.core.windows import window_of
from modelops_pipelines.operations.capture import record_batches
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.drift.data_quality import check_data_quality
from modelops_pipelines.operations.drift.detect import detect_drift
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.governance.key_usage import measure_usage
from modelops_pipelines.operations.lake.incremental import BATCH, Range, Recomputed, parts_of
from modelops_pipelines.operations.metrics.estimated_quality import estimate_quality
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import Project, make_project

NAMES = count()
DERIVE: list[Callable[..., Recomputed]] = [
    *(measure_service, profile_windows, detect_drift, check_data_quality),
    *(measure_quality, estimate_quality, measure_usage),
]
EDGES = [EARLIEST, EARLIEST + timedelta(days=30, hours=23), START]
OUTSIDE = [datetime(1, 1, 1, tzinfo=UTC), EARLIEST - timedelta(microseconds=1)]
HOURS = st.integers(0, 24 * 365 * 60).map(lambda hours: EARLIEST + timedelta(hours=hours))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("windows") / "project")
    made.stores.deployments.record_version(VERSION)
    return made


@pytest.fixture(params=["hour", "day"])
def spec(project: Project, request: pytest.FixtureRequest) -> EndpointSpec:
    return replace(project.spec, name=f"windows{next(NAMES)}", window=request.param)


def deliver(project: Project, spec: EndpointSpec, *moments: datetime) -> list[str]:
    """Deliver a request of each moment; return why any was rejected."""
    records = [request_record(spec.name, next(NAMES), moment, 3) for moment in moments]
    write_segment(project.stores, spec.name, "predictions", "w", records)
    return ingest(project.stores, spec, "predictions").reasons


@given(st.sets(HOURS, max_size=60))
def test_what_is_computed_together_lies_within_a_month_and_nothing_is_left_out(windows: set[datetime]) -> None:
    parts = list(parts_of(sorted(windows)))
    assert sorted(windows) == [window for part in parts for window in part]
    assert all(part[-1] - part[0] < BATCH for part in parts)
    assert all(later[0] - part[0] >= BATCH for part, later in pairwise(parts))


def test_the_first_moment_and_today_are_computed_in_one_run(project: Project, spec: EndpointSpec) -> None:
    assert [] == deliver(project, spec, *EDGES)
    for derive in DERIVE:
        done = derive(project.stores, spec)
        assert sorted({window_of(moment, spec.window) for moment in EDGES}) == list(done.windows)


@pytest.mark.parametrize("moment", OUTSIDE)
def test_a_record_of_an_earlier_release_out_of_bounds_is_rejected(
    project: Project, spec: EndpointSpec, moment: datetime
) -> None:
    assert ["event_time is before 1970"] == deliver(project, spec, moment, START)
    assert 3 == project.stores.lake.rows(spec.name, "inference_log")


@pytest.mark.parametrize("moment", OUTSIDE)
def test_rows_that_an_earlier_release_let_in_stop_no_table(
    project: Project, spec: EndpointSpec, moment: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(record_batches, "out_of_bounds", lambda _: None)
        assert [] == deliver(project, spec, moment, START)
    for derive in DERIVE:
        assert (window_of(START, spec.window),) == derive(project.stores, spec).windows
        assert () == derive(project.stores, spec).windows
    pending = [project.stores.touched_windows.pending(spec.name, one.name).windows for one in spec.derivations]
    assert {()} == set(pending)


def test_a_range_beyond_the_calendar_is_cut(project: Project, spec: EndpointSpec) -> None:
    assert [] == deliver(project, spec, EARLIEST)
    for derive in DERIVE:
        done = derive(project.stores, spec, Range(datetime(1, 1, 1, tzinfo=UTC), EARLIEST + timedelta(hours=1)))
        assert (EARLIEST,) == done.windows


BOUNDS = {
    **dict.fromkeys(OUTSIDE, "before 1970"),
    **dict.fromkeys([EARLIEST, START, LATEST - timedelta(microseconds=1)]),
    **dict.fromkeys([LATEST, datetime.max.replace(tzinfo=UTC)], "after 2261"),
}


@pytest.mark.parametrize(("moment", "fault"), BOUNDS.items())
def test_the_bounds_are_told_in_words(moment: datetime, fault: Any) -> None:
    assert fault == out_of_bounds(moment)
