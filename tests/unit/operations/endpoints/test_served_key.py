"""The key 'served' in an endpoint's YAML: what an endpoint served elsewhere needs, and what it has no use for."""

from pathlib import Path

import pytest

from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.operations.endpoints.load import describe, read_endpoint
from modelops_pipelines.operations.endpoints.snapshots import read_snapshot, write_snapshot
from modelops_pipelines.store.settings import load_settings
from tests.fakes.foreign_logs import YAML
from tests.support.project import CANCER_YAML


def faults(folder: Path, text: str) -> list[tuple[int, str]]:
    """Return line and culprit of each fault."""
    path = folder / "endpoint.yaml"
    path.write_text(text)
    with pytest.raises(OnboardingError) as refused:
        read_endpoint(path)
    return [(fault.line, fault.culprit) for fault in refused.value.faults]


def test_an_endpoint_served_elsewhere_needs_no_model_and_is_read_as_it_was_described(tmp_path: Path) -> None:
    (tmp_path / "endpoint.yaml").write_text(YAML)
    spec = read_endpoint(tmp_path / "endpoint.yaml")
    assert (True, "elsewhere:fraud", "elsewhere") == (spec.is_elsewhere, spec.model_name, describe(spec)["served"])
    settings = load_settings(tmp_path, {"MODELOPS_HOME": str(tmp_path / "home")})
    assert (spec,) == read_snapshot(settings, write_snapshot(settings, [spec]))


def test_an_endpoint_is_served_here_unless_it_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "endpoint.yaml").write_text(CANCER_YAML)
    assert not read_endpoint(tmp_path / "endpoint.yaml").is_elsewhere
    assert [(1, "model_name")] == [
        (1, name) for _, name in faults(tmp_path, CANCER_YAML.replace("  model_name: tumours\n", ""))
    ]


@pytest.mark.parametrize(
    ("line", "culprit"),
    [
        ("  model_name: tumours\n", "model_name"),
        ("  trainer: tests.fakes.trainers:logistic\n", "trainer"),
        ("  promotion: {strategy: canary}\n", "promotion"),
        ("  guard: {automatic: false}\n", "guard"),
        ("  allow_pickle: true\n", "allow_pickle"),
        ("  min_resident: true\n", "min_resident"),
        ("  runtime: isolated\n", "runtime"),
        ("  allow_replay: true\n", "allow_replay"),
    ],
)
def test_what_needs_a_model_is_a_fault_of_its_line(tmp_path: Path, line: str, culprit: str) -> None:
    assert (YAML.count("\n") + 1, culprit) in faults(tmp_path, YAML + line)


def test_classes_must_be_stated_and_drift_has_no_training_set(tmp_path: Path) -> None:
    assert "classes" in [name for _, name in faults(tmp_path, YAML.replace("  classes: [ok, fraud]\n", ""))]
    trained = YAML.replace("drift: {minimum: 100}", "drift: {minimum: 100, reference: training}")
    assert ["drift.reference"] == [name for _, name in faults(tmp_path, trained)]
    assert "model_name" in [name for _, name in faults(tmp_path, YAML.replace("served: elsewhere", "served: nowhere"))]
