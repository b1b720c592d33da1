"""A prediction with a label or feedback is in the log exactly once, however many labels and comments it has."""

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.capture.join_checks import Joined, join_with_log
from tests.fakes.records import START, VERSION, feedback_row, label_row, request_record, write_segment
from tests.support.project import Project, make_project

NAMES = count()
STREAMS = ["labels", "feedback"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("joining") / "project")
    made.stores.deployments.record_version(VERSION)
    return made


@pytest.fixture
def spec(project: Project) -> EndpointSpec:
    return replace(project.spec, name=f"joined{next(NAMES)}")


def request(spec: EndpointSpec, rows: int = 2, **changes: Any) -> dict[str, Any]:
    return request_record(spec.name, next(NAMES), START, rows, **changes)


def responses(stream: str, record: dict[str, Any], row: int, times: int) -> list[dict[str, Any]]:
    """Return so many different labels, or pieces of feedback, on one prediction."""
    if stream == "labels":
        return [label_row(record, row, str(number), START) for number in range(times)]
    return [feedback_row(record, row, 1 + number, None) for number in range(times)]


def joined(
    project: Project, spec: EndpointSpec, stream: str, predictions: list[dict[str, Any]], rows: list[dict[str, Any]]
) -> Joined:
    for of, records in (("predictions", predictions), (stream, [{"rows": rows}])):
        write_segment(project.stores, spec.name, of, "w", records)
        report = ingest(project.stores, spec, of)
        assert [] == report.reasons
    return join_with_log(project.stores, spec, stream, report.windows)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_any_number_of_responses_joins_their_prediction(
    project: Project, spec: EndpointSpec, stream: str, times: int
) -> None:
    record, other = request(spec), request(spec)
    rows = [*responses(stream, record, 0, times), *responses(stream, record, 1, 1), *responses(stream, other, 1, times)]
    assert Joined(3, 0) == joined(project, spec, stream, [record, other], rows)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_prediction_of_a_test_or_without_features_is_joined_too(
    project: Project, spec: EndpointSpec, stream: str
) -> None:
    records = [request(spec, source="test"), request(spec, f={}, sampled=False)]
    rows = [row for record in records for row in responses(stream, record, 0, 2)]
    assert Joined(2, 0) == joined(project, spec, stream, records, rows)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_prediction_that_the_log_lacks_is_counted_once(project: Project, spec: EndpointSpec, stream: str) -> None:
    record, missing = request(spec), request(spec)
    failed = request(spec, 1, status=500, error="model", p=None, s=None, f={})
    rows = [*responses(stream, record, 0, 2), *responses(stream, missing, 0, 2), *responses(stream, failed, 0, 1)]
    assert Joined(3, 2) == joined(project, spec, stream, [record, failed], rows)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_prediction_that_is_twice_in_the_log_is_counted(project: Project, spec: EndpointSpec, stream: str) -> None:
    record = request(spec)
    rows = [*responses(stream, record, 0, 1), *responses(stream, record, 1, 2)]
    assert Joined(2, 2) == joined(project, spec, stream, [record, record], rows)
