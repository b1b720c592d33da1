"""What ``modelops slo`` and ``modelops health-score`` show."""

from datetime import UTC, datetime, timedelta

import pytest

from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from tests.fakes.lake_rows import write
from tests.support.command_line import modelops
from tests.support.project import Project

SLOS = "  slos:\n    - {kind: availability, objective: 0.99, owner: 'team:serving'}\n"


@pytest.fixture
def project(fresh: Project) -> Project:
    """Return a project with an objective, 480 requests in the last days, two of them failed."""
    path = fresh.folder / "endpoints" / "endpoint.yaml"
    path.write_text(path.read_text() + SLOS)
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    row = {"model_version": "1", "variant": "champion", "requests": 10, "predictions": 10, "client_errors": 0}
    row |= {"server_errors": 0, "latency_sum_ms": 1.0, "latency_counts": '{"150": 10}'}
    rows = [{**row, "window_start": hour - n * timedelta(hours=1)} for n in range(1, 49)]
    rows[30] |= {"server_errors": 2}
    write(fresh.stores, fresh.spec, SERVICE_METRICS, rows)
    return fresh


def test_what_is_left_of_each_budget_is_shown(project: Project) -> None:
    [found] = modelops(project, "slo", "cancer", "--json").json
    assert ("cancer", "slo_availability", 480, 2, "team:serving") == (
        *(found["endpoint"], found["slo"], found["events"], found["bad"]),
        found["owner"],
    )
    assert found["left"] == pytest.approx(1 - 2 / 4.8)
    shown = modelops(project, "slo").out
    assert "slo_availability" in shown
    assert "0.5833" in shown


def test_an_endpoint_without_objectives_is_told_how_to_set_them(fresh: Project) -> None:
    done = modelops(fresh, "slo", "cancer")
    assert (0, "") == (done.code, done.out)
    assert "Endpoint 'cancer' has no objectives: add 'slos' to the YAML." in done.err


def test_the_health_of_an_endpoint_is_shown_with_its_parts(project: Project) -> None:
    found = modelops(project, "health-score", "cancer", "--json").json
    assert found["score"] == pytest.approx(70 + 30 * (1 - 2 / 4.8))
    assert found["limited_by"] == "budget"
    assert {"availability", "latency", "quality", "drift", "data", "capture", "budget"} == {
        part["name"] for part in found["parts"]
    }
    shown = modelops(project, "health-score", "cancer").out.splitlines()
    assert "parts have no evidence" in shown[0]
    assert "no window of it has been judged yet" in "\n".join(shown)


def test_an_endpoint_without_evidence_has_no_score(fresh: Project) -> None:
    assert (None, "no part has evidence yet") == tuple(
        modelops(fresh, "health-score", "--json").json[0][name] for name in ("score", "reason")
    )
    assert 3 == modelops(fresh, "health-score", "nowhere").code
