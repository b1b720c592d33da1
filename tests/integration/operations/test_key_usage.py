"""What keys asked for: whatever the log holds and however it came, a plain recount says the same."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import KEY_USAGE
from modelops_pipelines.core.timestamps import EPOCH
from modelops_pipelines.core.windows import window_of
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.governance.api_keys import Usage, usage_of_keys
from modelops_pipelines.operations.governance.key_usage import Gap, measure_usage, usage_gaps
from modelops_pipelines.operations.lake.incremental import Range
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import Project, make_project

MOMENTS = [START + timedelta(minutes=minutes) for minutes in (0, 59, 60, 119, 120, 1500)]  # over midnight
REQUESTS = st.tuples(
    st.sampled_from(MOMENTS),
    st.integers(1, 3),
    st.sampled_from([None, "aaaaaaaaaa", "bbbbbbbbbb"]),
    st.sampled_from([200, 200, 400, 429, 500, 503]),
    st.sampled_from(["live", "replay", "test"]),
    st.integers(0, 2),
)
HOUR = timedelta(hours=1)
NAMES = count()
Rows = Sequence[tuple[Any, ...]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("usage") / "project")
    made.stores.deployments.record_version(VERSION)
    return made


@pytest.fixture
def spec(project: Project) -> EndpointSpec:
    return replace(project.spec, name=f"used{next(NAMES)}")


def record(spec: EndpointSpec, at: datetime, rows: int, key: str | None, **changes: Any) -> dict[str, Any]:
    answered = changes.get("status", 200) == 200
    failed = {} if answered else {"f": {}, "p": None, "s": None}
    return request_record(spec.name, next(NAMES), at, rows, key=key, **failed, **changes)


def send(project: Project, spec: EndpointSpec, *records: dict[str, Any]) -> None:
    write_segment(project.stores, spec.name, "predictions", f"w{next(NAMES)}", records)
    ingest(project.stores, spec, "predictions")


def stored(project: Project, spec: EndpointSpec) -> list[tuple[Any, ...]]:
    with project.stores.lake.query(spec.name, [KEY_USAGE]) as connected:
        names = "window_start, key_id, requests, predictions, client_errors, server_errors, last_used_at"
        return connected.execute(f"SELECT {names} FROM key_usage ORDER BY ALL").fetchall()


@given(requests=st.lists(REQUESTS, min_size=1, max_size=20), window=st.sampled_from(["hour", "day"]))
@settings(
    max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
def test_any_order_of_arrival_gives_what_a_plain_recount_gives(project: Project, requests: Rows, window: str) -> None:
    spec = replace(project.spec, name=f"shuffled{next(NAMES)}", window=window)
    counted: dict[tuple[datetime, str], list[Any]] = defaultdict(lambda: [0, 0, 0, 0, EPOCH])
    for batch in range(3):
        records = []
        for at, rows, key, status, source, arrives in requests:
            if arrives == batch:
                kept = rows if status == 200 else 1
                records.append(record(spec, at, kept, key, status=status, source=source))
                line = counted[window_of(at, window), key or "none"]
                line[0] += 1
                line[1] += kept if status == 200 else 0
                line[2] += 400 <= status < 500
                line[3] += status >= 500
                line[4] = max(line[4], at)
        if records:
            send(project, spec, *records)
        measure_usage(project.stores, spec)
        assert usage_gaps(project.stores, spec) == []
    assert sorted((*key, *line) for key, line in counted.items()) == stored(project, spec)


def test_a_log_from_before_there_were_keys_is_counted_as_a_whole(project: Project, spec: EndpointSpec) -> None:
    old = request_record(spec.name, next(NAMES), START, 2)
    del old["key"]  # release 0.1 knew of none
    send(project, spec, old)
    touched = project.stores.touched_windows.pending(spec.name, "key_usage")
    project.stores.touched_windows.clear(spec.name, "key_usage", touched)  # as if an older release had ingested it
    assert measure_usage(project.stores, spec).windows == (START,)
    assert stored(project, spec) == [(START, "none", 1, 2, 0, 0, START)]
    assert measure_usage(project.stores, spec).windows == ()


def test_an_endpoint_without_a_log_has_no_usage_and_no_gap(project: Project, spec: EndpointSpec) -> None:
    assert measure_usage(project.stores, spec).windows == ()
    assert usage_gaps(project.stores, spec) == []


def test_every_prediction_marks_its_window_for_key_usage(spec: EndpointSpec) -> None:
    assert [name for name in spec.monitored if "key_usage" in spec.dependents(name)] == ["inference_log"]


def test_what_is_missing_or_too_much_is_found_and_a_range_puts_it_right(project: Project, spec: EndpointSpec) -> None:
    send(project, spec, *(record(spec, START + n * HOUR, 1, key) for n in range(3) for key in (None, "a" * 10)))
    measure_usage(project.stores, spec)
    tamper(project, spec, START, [])
    wrong = {"key_id": "b" * 10, "requests": 7, "predictions": 7, "client_errors": 0, "server_errors": 0}
    tamper(project, spec, START + HOUR, [wrong])
    expected = [Gap("a" * 10, 1, 3), Gap("b" * 10, 7, 0), Gap("none", 1, 3)]
    assert expected == usage_gaps(project.stores, spec)
    measure_usage(project.stores, spec, Range(START, START + 2 * HOUR))
    assert usage_gaps(project.stores, spec) == []


def tamper(project: Project, spec: EndpointSpec, window: datetime, rows: list[dict[str, Any]]) -> None:
    more = {"window_start": window, "last_used_at": window, "date": window.date()}
    table = pa.Table.from_pylist([row | more for row in rows], schema=None if rows else pa.schema([]))
    project.stores.writer.replace_windows(spec.name, KEY_USAGE, table, [window])


def test_a_window_that_waits_to_be_computed_is_no_gap(project: Project, spec: EndpointSpec) -> None:
    send(project, spec, record(spec, START, 1, None))
    measure_usage(project.stores, spec)
    send(project, spec, record(spec, START, 1, "a" * 10), record(spec, START + HOUR, 1, None))
    assert usage_gaps(project.stores, spec) == []
    measure_usage(project.stores, spec)
    assert usage_gaps(project.stores, spec) == []
    assert [row[:3] for row in stored(project, spec)] == [
        (START, "a" * 10, 1),
        (START, "none", 1),
        (START + HOUR, "none", 1),
    ]


def test_a_keys_usage_is_over_all_endpoints(tmp_path_factory: pytest.TempPathFactory) -> None:
    project = make_project(tmp_path_factory.mktemp("totals") / "project")
    project.stores.deployments.record_version(VERSION)
    assert usage_of_keys(project.stores) == {}
    specs = [replace(project.spec, name=name) for name in ("one", "two", "unused")]
    for n, spec in enumerate(specs[:2]):
        send(project, spec, record(spec, START + n * HOUR, 2, "a" * 10), record(spec, START, 1, None, status=429))
        measure_usage(project.stores, spec)
    expected = {"a" * 10: Usage(2, START + HOUR), "none": Usage(2, START)}
    assert expected == usage_of_keys(project.stores)
