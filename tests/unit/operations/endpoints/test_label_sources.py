"""Label sources in endpoints' YAML: what is accepted, and every fault by line, culprit and fix."""

from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.improvement import LabelSource
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.operations.endpoints.load import describe, endpoint_from_attributes, read_endpoint
from tests.unit.operations.endpoints.onboarding_files import MINIMAL
from tests.unit.operations.endpoints.onboarding_label_sources import SOURCE_LINES, SOURCES


def endpoint_of(content: str, folder: Path) -> EndpointSpec:
    path = folder / "flights.yaml"
    path.write_text(content)
    return read_endpoint(path)


@pytest.mark.parametrize(("added", "message"), SOURCE_LINES.values(), ids=SOURCE_LINES)
def test_a_wrong_source_is_refused_by_line_culprit_and_fix(added: str, message: str, tmp_path: Path) -> None:
    content = MINIMAL + "".join(f"  {line}\n" for line in added.splitlines())
    with pytest.raises(OnboardingError) as caught:
        endpoint_of(content, tmp_path)
    assert [f"{tmp_path / 'flights.yaml'}:{message}"] == [str(fault) for fault in caught.value.faults]


def test_sources_are_read_as_they_are_written(tmp_path: Path) -> None:
    lab, partner, warehouse = endpoint_of(SOURCES, tmp_path).label_sources
    assert LabelSource("lab", "files", path="in/*.csv", prediction_id="id", labelled_at="known") == lab
    assert ("order", "line", "changed") == (partner.request_id, partner.row, partner.cursor)
    assert (("flight", "user_id"), timedelta(hours=12)) == (warehouse.entity, warehouse.within)


def test_imported_labels_are_monitored_only_with_sources(tmp_path: Path) -> None:
    assert "imported_labels" in endpoint_of(SOURCES, tmp_path).monitored
    assert "imported_labels" not in endpoint_of(MINIMAL, tmp_path).monitored


def test_a_description_with_sources_is_a_valid_file_of_the_same_endpoint(tmp_path: Path) -> None:
    spec = endpoint_of(SOURCES, tmp_path)
    assert spec == endpoint_from_attributes(describe(spec), "again.yaml")
