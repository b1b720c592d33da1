"""However a log arrives - late, repeated, out of order, in any batches - its tables say what a plain recount says."""

import json
import math
import os
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.core.windows import window_of
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import START, VERSION, feedback_row, label_row, request_record, write_segment
from tests.support.project import Project, make_project

STREAMS = ("predictions", "labels", "feedback")
MOMENTS = [START + timedelta(minutes=minutes) for minutes in (0, 1, 59, 60, 119, 120, 1500)]  # over midnight, two days
KNOWN_AT = [START + timedelta(days=days) for days in (1, 2, 3)]
NAMES = count()
EXAMPLES = int(os.environ.get("MODELOPS_EXAMPLES", "6"))
COUNTED = ("latency_counts", "errors")
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """What one example does: requests, what is said of them, and in which batch and by which worker each arrives."""

    requests: list[tuple[Any, ...]]
    labels: list[tuple[int, int, int, int]]
    feedback: list[tuple[int, int, Any, Any]]
    arrivals: list[tuple[int, int]]
    window: str


SCORES = st.sampled_from([0.0, 0.2, 0.5, 0.5000001, 0.8, 1.0])
REQUESTS = st.tuples(
    st.sampled_from(MOMENTS),
    st.lists(SCORES, min_size=1, max_size=3),
    st.sampled_from([("1", "champion"), ("2", "challenger"), ("2", "champion")]),
    st.sampled_from([200, 200, 200, 400, 422, 500, 503]),
    st.sampled_from(["live", "live", "replay", "test"]),
    st.floats(0.01, 20_000).filter(lambda ms: abs(math.log(ms) / math.log(1.02) % 1 - 0.5) < 0.49),
)
ANY = st.integers(0, 99)
PLANS = st.builds(
    Plan,
    st.lists(REQUESTS, min_size=1, max_size=14),
    st.lists(st.tuples(ANY, st.integers(0, 2), st.integers(0, 1), st.integers(0, 2)), max_size=25),
    st.lists(
        st.tuples(ANY, st.integers(0, 2), st.sampled_from([None, 1, 2, 3, 5]), st.sampled_from([None, "up", "down"])),
        max_size=10,
    ),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=60, max_size=60),
    st.sampled_from(["hour", "day"]),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("recount") / "project")
    made.stores.deployments.record_version(VERSION)
    return made


@pytest.mark.parametrize("task", ["binary_classification", "regression"])
@given(plan=PLANS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
def test_any_order_of_arrival_gives_what_a_plain_recount_gives(project: Project, task: str, plan: Plan) -> None:
    name = f"shuffled{next(NAMES)}"
    spec = replace(project.spec, name=name, task=task, window=plan.window)
    events = events_of(plan, spec)
    deliver_in_batches(project.stores, spec, events, plan.arrivals)
    at_once = replace(spec, name=f"{name}-at-once")
    deliver(project.stores, at_once, events, "w")
    naive_service, naive_quality = recount_service(events), recount_quality(events, spec)
    for one in (spec, at_once):
        assert_same(naive_service, stored(project.stores, one, SERVICE_METRICS))
        assert_same(naive_quality, stored(project.stores, one, QUALITY_METRICS))


def test_only_windows_that_changed_are_computed_again(project: Project) -> None:
    spec = replace(project.spec, name="untouched")
    early, late = (request_record(spec.name, n, START + timedelta(hours=n), 2) for n in range(2))
    write_segment(project.stores, spec.name, "predictions", "w", [early, late])
    assert derive(project.stores, spec) == ((START, START + timedelta(hours=1)),) * 2
    write_segment(project.stores, spec.name, "labels", "w", [{"rows": [label_row(late, 0, "1", KNOWN_AT[0])]}])
    assert derive(project.stores, spec) == ((), (START + timedelta(hours=1),))
    assert derive(project.stores, spec) == ((), ())


def test_a_label_that_is_repeated_marks_its_window_but_changes_nothing(project: Project) -> None:
    spec = replace(project.spec, name="repeated")
    one = request_record(spec.name, 1, START, 1)
    write_segment(project.stores, spec.name, "predictions", "w", [one])
    for worker in ("a", "b"):
        write_segment(
            project.stores, spec.name, "labels", worker, [{"rows": [label_row(one, 0, "1", KNOWN_AT[0])] * 2}]
        )
        derive(project.stores, spec)
    assert project.stores.lake.rows(spec.name, "labels") == 1
    assert [row["labelled"] for row in stored(project.stores, spec, QUALITY_METRICS).values()] == [1]


@dataclass(frozen=True)
class Events:
    """The records of one example, stream by stream."""

    predictions: Rows
    labels: Rows
    feedback: Rows


def events_of(plan: Plan, spec: EndpointSpec) -> Events:
    requests = [_request(spec, number, *values) for number, values in enumerate(plan.requests)]

    def pick(number: int, row: int) -> tuple[dict[str, Any], int]:
        record = requests[number % len(requests)]
        return record, row % record["n"]

    labels = [
        label_row(*pick(number, row), truth * 2.5 if spec.task == "regression" else str(truth), KNOWN_AT[when])
        for number, row, truth, when in plan.labels
    ]
    feedback = [feedback_row(*pick(number, row), rating, thumbs) for number, row, rating, thumbs in plan.feedback]
    return Events(requests, [{"rows": [row]} for row in labels], [{"rows": [row]} for row in feedback])


def _request(
    spec: EndpointSpec,
    number: int,
    at: Any,
    scores: list[float],
    who: tuple[str, str],
    status: int,
    source: str,
    ms: float,
) -> dict[str, Any]:
    if status != 200:
        failed = {"version": None, "variant": None, "status": status, "error": "input", "f": {}, "p": None, "s": None}
        return request_record("any", number, at, 1, source=source, ms=ms, **failed)
    numeric = spec.task == "regression"
    answers = [score * 10 for score in scores] if numeric else [str(int(score >= 0.5)) for score in scores]
    given_scores = None if numeric or number % 7 == 6 else scores
    said = {"version": who[0], "variant": who[1], "source": source, "ms": ms, "p": answers, "s": given_scores}
    if number % 5 == 4:
        said |= {"p": [None, *answers[1:]], "s": given_scores and [None, *given_scores[1:]], "lost": [0]}
    return request_record("any", number, at, len(scores), **said)


def deliver_in_batches(stores: Stores, spec: EndpointSpec, events: Events, arrivals: list[tuple[int, int]]) -> None:
    """Deliver each event in its batch by its worker, the batches' events backwards, and derive after each batch."""
    everything = [(stream, record) for stream in STREAMS for record in getattr(events, stream)]
    placed = list(zip(everything, arrivals * 2, strict=False))
    for batch in range(3):
        mine = [(stream, worker, record) for (stream, record), (at, worker) in placed if at == batch][::-1]
        for stream in STREAMS:
            for worker in (0, 1):
                records = [record for s, w, record in mine if (s, w) == (stream, worker)]
                write_segment(stores, spec.name, stream, f"w{worker}-{batch}", records)
        service, quality = derive(stores, spec)
        assert service == windows([r for s, _, r in mine if s == "predictions"], spec)
        assert quality == windows([r["rows"][0] if "rows" in r else r for _, _, r in mine], spec)


def windows(records: Rows, spec: EndpointSpec) -> tuple[Any, ...]:
    times = {record.get("t", record.get("event_time")) for record in records}
    return tuple(sorted({window_of(START.fromtimestamp(t / 1e6, START.tzinfo), spec.window) for t in times}))


def deliver(stores: Stores, spec: EndpointSpec, events: Events, worker: str) -> None:
    for stream in STREAMS:
        write_segment(stores, spec.name, stream, worker, getattr(events, stream))
    derive(stores, spec)


def derive(stores: Stores, spec: EndpointSpec) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    for stream in STREAMS:
        report = ingest(stores, spec, stream)
        assert report.reasons == []
    return measure_service(stores, spec).windows, measure_quality(stores, spec).windows


def stored(stores: Stores, spec: EndpointSpec, table: Table) -> dict[Any, dict[str, Any]]:
    with stores.lake.query(spec.name, [table]) as connected:
        rows = connected.table(table.name).to_arrow_table().to_pylist()
    keyed = {tuple(row[name] for name in table.key): row for row in rows}
    assert len(keyed) == len(rows)
    return keyed


def recount_service(events: Events) -> dict[Any, dict[str, Any]]:
    """Count request by request, in Python: hours, whatever the endpoint's window is."""
    found: dict[Any, dict[str, Any]] = {}
    for record in events.predictions:
        if record["source"] == "test":
            continue
        start = window_of(START.fromtimestamp(record["t"] / 1e6, START.tzinfo), "hour")
        key = (start, record["version"] or "none", record["variant"] or "none")
        zero = {"requests": 0, "predictions": 0, "client_errors": 0, "server_errors": 0, "latency_sum_ms": 0.0}
        zero["unanswered"] = 0
        row = found.setdefault(key, zero | {"latency_counts": Counter(), "errors": Counter(), "date": start.date()})
        row["requests"] += 1
        row["predictions"] += record["n"] if record["status"] == 200 else 0
        row["unanswered"] += len(record.get("lost", ()))
        row["client_errors"] += 400 <= record["status"] < 500
        row["server_errors"] += record["status"] >= 500
        row["errors"].update([record["error"]] if record["status"] >= 400 else [])
        row["latency_sum_ms"] += record["ms"]
        row["latency_counts"][str(math.floor(math.log(record["ms"]) / math.log(1.02)))] += 1
    return {key: {**row, **{name: dict(row[name]) for name in COUNTED}} for key, row in found.items()}


def recount_quality(events: Events, spec: EndpointSpec) -> dict[Any, dict[str, Any]]:
    truth: dict[str, tuple[Any, ...]] = {}
    for record in events.labels:
        for row in record["rows"]:
            said = (row["labelled_at"], row["label_id"], row["label"])
            truth[row["prediction_id"]] = max(said, truth.get(row["prediction_id"], said))
    said_of: dict[str, dict[str, bool]] = defaultdict(dict)
    for record in events.feedback:
        for row in record["rows"]:
            bad = row["thumbs"] == "down" or (row["rating"] or 5) <= 2
            said_of[row["prediction_id"]][row["feedback_id"]] = bad
    groups: dict[Any, list[Any]] = defaultdict(list)
    for record in events.predictions:
        if record["status"] == 200 and record["source"] != "test":
            start = window_of(START.fromtimestamp(record["t"] / 1e6, START.tzinfo), spec.window)
            for index in range(record["n"]):
                name = f"{record['id']}-{index}"
                score = record["s"][index] if record["s"] else None
                label = truth[name][2] if name in truth else None
                groups[start, record["version"], "all", ""].append((record["p"][index], score, label, said_of[name]))
    measure = _regression if spec.task == "regression" else _binary
    return {
        key: _common(rows)
        | {"date": key[0].date()}
        | measure([row for row in rows if row[2] is not None and row[0] is not None])
        for key, rows in groups.items()
    }


def _common(rows: list[Any]) -> dict[str, Any]:
    labelled = sum(label is not None for _, _, label, _ in rows)
    complaints = sum(bad for row in rows for bad in row[3].values())
    feedback = sum(len(row[3]) for row in rows)
    shares = {"predictions": len(rows), "labelled": labelled, "coverage": labelled / len(rows)}
    return {**shares, "feedback": feedback, "complaints": complaints}


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _regression(rows: list[Any]) -> dict[str, Any]:
    errors = [prediction - label for prediction, _, label, _ in rows]
    squared = _mean([error**2 for error in errors])
    rmse = None if squared is None else math.sqrt(squared)
    return {"mae": _mean([abs(error) for error in errors]), "rmse": rmse, "bias": _mean(errors)}


def _binary(rows: list[Any]) -> dict[str, Any]:
    scored = [(score, label == "1") for _, score, label, _ in rows if score is not None]
    positives = [score for score, y in scored if y]
    negatives = [score for score, y in scored if not y]
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in positives for b in negatives]
    brier, base = _mean([(score - y) ** 2 for score, y in scored]), _mean([float(y) for _, y in scored])
    losses = [-math.log(max(score if y else 1 - score, 1e-15)) for score, y in scored]
    both = bool(positives and negatives)
    return {
        "accuracy": _mean([float(prediction == label) for prediction, _, label, _ in rows]),
        "base_rate": base,
        "mean_score": _mean([score for score, _ in scored]),
        "auc": _mean(wins),
        "log_loss": _mean(losses),
        "brier": brier,
        "brier_skill": 1 - brier / (base * (1 - base)) if both and brier is not None and base is not None else None,
    }


def assert_same(expected: dict[Any, dict[str, Any]], actual: dict[Any, dict[str, Any]]) -> None:
    assert set(expected) == set(actual)
    for key, row in expected.items():
        for name, value in row.items():
            found = json.loads(actual[key][name] or "{}") if name in COUNTED else actual[key][name]
            if isinstance(value, float) and found is not None:
                assert math.isclose(value, found, rel_tol=1e-9, abs_tol=1e-12), (key, name, value, found)
            else:
                assert value == found, (key, name)
