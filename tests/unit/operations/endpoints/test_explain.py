"""The section ``explain`` of an endpoint's YAML: what it says, and what is refused by line."""

from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.explain import ExplainPolicy
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.operations.endpoints.load import read_endpoint

YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: flights
  model_name: delays
  task: binary_classification
  label: late
"""


def read(more: str, folder: Path) -> EndpointSpec:
    path = folder / "flights.yaml"
    path.write_text(YAML + more)
    return read_endpoint(path)


@pytest.mark.parametrize(
    ("more", "policy", "samples"),
    [
        ("", None, False),
        ("  explain: {}\n", ExplainPolicy("auto", 0.01), True),
        ("  explain: {method: tree, sample: 0.5}\n", ExplainPolicy("tree", 0.5), True),
        ("  explain: {sample: 0}\n", ExplainPolicy(sample=0), False),
        ("  explain: {sample: 0}\n  capture: {redact: [user_id, age]}\n", ExplainPolicy(sample=0), False),
        ("  explain: {}\n  capture: {redact: [user_id]}\n", ExplainPolicy(), True),
    ],
)
def test_it_is_read_as_it_is_written(more: str, policy: ExplainPolicy | None, samples: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of cases
    spec = read(more, tmp_path)
    assert (policy, samples) == (spec.explain, spec.is_explained)
    assert samples == ("attribution_drift" in spec.monitored)


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (
            "  explain: {method: treee}\n",
            "flights.yaml:7: explain.method: 'treee' is not a valid value. Did you mean 'tree'?",
        ),
        ("  explain: {sample: 1.5}\n", "flights.yaml:7: explain.sample: must be from 0 to 1, and is 1.5"),
        ("  explain: {share: 0.1}\n", "flights.yaml:7: explain.share"),
        (
            "  explain: {sample: 0.1}\n  capture: {redact: [age, user_id]}\n",
            "flights.yaml:7: explain.sample: rows are explained from the log, which 'capture.redact' keeps age out of",
        ),
        ("  row_wise: false\n  explain: {}\n", "flights.yaml:8: explain: a row's answer depends on the other rows"),
        (
            "  alerts: [{kind: attribution_drift, above: 0.1}]\n",
            "flights.yaml:7: alerts[0].kind: judges explained rows, and this endpoint explains none by itself",
        ),
        (
            "  alerts: [{kind: attribution_drift, above: 0.1}]\n  explain: {sample: 0}\n",
            "flights.yaml:7: alerts[0].kind: judges explained rows",
        ),
        (
            "  explain: {}\n  alerts: [{kind: attribution_drift, above: 1}]\n",
            "alerts[0].above: 1 is not a valid threshold",
        ),
        ("  explain: {}\n  alerts: [{kind: attribution_drift}]\n", "alerts[0].above: is missing"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line_and_a_fix(more: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(OnboardingError) as refused:
        read(more, tmp_path)
    assert fault in str(refused.value)


def test_an_endpoint_served_elsewhere_has_nothing_to_explain_with(tmp_path: Path) -> None:
    path = tmp_path / "flights.yaml"
    path.write_text(YAML.replace("  model_name: delays\n", "  served: elsewhere\n") + "  explain: {sample: 0}\n")
    with pytest.raises(OnboardingError, match="an endpoint that is served elsewhere has no model here to ask"):
        read_endpoint(path)
