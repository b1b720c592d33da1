"""modelops shadow, as a user runs it."""

from collections.abc import Iterator

import pytest

from modelops_pipelines.core.timestamps import to_micros
from modelops_pipelines.operations.capture.ingest import ingest
from tests.fakes.records import START, request_record, write_segment
from tests.support.command_line import Loop, modelops, refused


@pytest.fixture
def asked(loop: Loop) -> Iterator[None]:
    yield
    modelops(loop.project, "shadow", "end", "cancer")


@pytest.mark.usefixtures("asked")
def test_a_shadow_is_started_compared_shown_and_ended(loop: Loop) -> None:
    project = loop.project
    refused(modelops(project, "shadow", "start", "cancer", "1"), "and cannot be its shadow")
    done = modelops(project, "shadow", "start", "cancer", "2", "--reason", "curious")
    assert (0, True) == (done.code, done.out.startswith("cancer: shadow 1 -> 2 (100 % of the traffic"))
    record = request_record("cancer", 7, START, 5, f={}, s=[0.5] * 5)
    features = {"mean_radius": 14.0, "mean_texture": 20.0, "mean_smoothness": 0.1, "mean_concavity": 0.1}
    record["f"] = {name: [value] * 5 for name, value in features.items()}
    record["at"] = to_micros(project.stores.now())
    write_segment(project.stores, "cancer", "predictions", "shadowed", [record])
    ingest(project.stores, project.spec, "predictions")
    compared = modelops(project, "shadow", "compare", "cancer", "--json").json
    assert (5, 0, "2") == (compared["compared"], compared["failed"], compared["version"])
    shown = modelops(project, "shadow", "show", "cancer", "--json").json
    assert (5, "2", None, "undecided") == (shown["compared"], shown["version"], shown["until"], shown["verdict"])
    rows = modelops(project, "sql", "SELECT count(*) AS n FROM shadow_log WHERE agrees IS NOT NULL", "--json").json
    assert [{"n": 5}] == rows
    assert 0 == modelops(project, "shadow", "end", "cancer", "--reason", "seen enough").code
    again = modelops(project, "shadow", "end", "cancer")
    assert (0, "cancer has no shadow; nothing changed\n") == (again.code, again.out)
    nothing = modelops(project, "shadow", "compare", "cancer")
    assert (0, "", "cancer has no shadow\n") == (nothing.code, nothing.out, nothing.err)
