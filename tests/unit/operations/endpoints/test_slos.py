"""Objectives in endpoints' YAML: what is accepted, and every fault by line, culprit and fix."""

from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec, Slo
from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.operations.endpoints.load import describe, endpoint_from_attributes, read_endpoint
from tests.unit.operations.endpoints.onboarding_files import MINIMAL
from tests.unit.operations.endpoints.onboarding_slos import OBJECTIVES, SLO_LINES


def endpoint_of(content: str, folder: Path) -> EndpointSpec:
    path = folder / "flights.yaml"
    path.write_text(content)
    return read_endpoint(path)


@pytest.mark.parametrize(("added", "message"), SLO_LINES.values(), ids=SLO_LINES)
def test_a_wrong_objective_is_refused_by_line_culprit_and_fix(added: str, message: str, tmp_path: Path) -> None:
    content = MINIMAL + "".join(f"  {line}\n" for line in added.splitlines())
    with pytest.raises(OnboardingError) as caught:
        endpoint_of(content, tmp_path)
    assert [f"{tmp_path / 'flights.yaml'}:{message}"] == [str(fault) for fault in caught.value.faults]


def test_objectives_are_read_as_they_are_written(tmp_path: Path) -> None:
    availability, latency, quality = endpoint_of(OBJECTIVES, tmp_path).slos
    assert availability == Slo("availability", 0.999, timedelta(days=28))
    expected = Slo("latency", 0.99, timedelta(days=7), 300.0, severity="warning", owner="team:serving")
    assert latency == expected
    runbook = "https://wiki.example.com/auc"
    assert quality == Slo("quality", 0.9, metric="auc", at_least=0.7, minimum=50, runbook=runbook)
    names = ["slo_availability", "slo_latency_under_300_ms", "slo_quality_auc"]
    assert names == [slo.name for slo in (availability, latency, quality)]


def test_an_endpoint_has_no_objectives_unless_it_says_so(tmp_path: Path) -> None:
    assert endpoint_of(MINIMAL, tmp_path).slos == ()


def test_a_description_with_objectives_is_a_valid_file_of_the_same_endpoint(tmp_path: Path) -> None:
    spec = endpoint_of(OBJECTIVES, tmp_path)
    assert spec == endpoint_from_attributes(describe(spec), "again.yaml")
