"""The section ``cache`` of an endpoint's YAML: what it says, and what is refused by line."""

from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.cache import CachePolicy
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.operations.endpoints.load import describe, read_endpoint

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
    ("more", "policy"),
    [
        ("", None),
        ("  cache: {}\n", CachePolicy(timedelta(seconds=300), 100, 8)),
        ("  cache: {ttl: 30s, entries: 5, max_mib: 1}\n", CachePolicy(timedelta(seconds=30), 5, 1)),
        ("  cache: {ttl: 1d, entries: 100000, max_mib: 1024}\n", CachePolicy(timedelta(days=1), 100_000, 1024)),
        ("  row_wise: false\n  cache: {ttl: 1s}\n", CachePolicy(timedelta(seconds=1))),
    ],
)
def test_it_is_read_as_it_is_written_and_off_without_it(more: str, policy: CachePolicy | None, tmp_path: Path) -> None:
    assert policy == read(more, tmp_path).cache


def test_it_is_shown_with_its_defaults(tmp_path: Path) -> None:
    assert {"ttl": "5m", "entries": 100, "max_mib": 8} == describe(read("  cache: {}\n", tmp_path))["cache"]
    assert "cache" not in describe(read("", tmp_path))


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("cache: {ttl: 0s}", "cache.ttl: must be a duration"),
        ("cache: {ttl: 2d}", "cache.ttl: '2d' is too long. Set for how long an answer is kept, at most 1d"),
        ("cache: {ttl: 300}", "cache.ttl: must be a duration"),
        ("cache: {entries: 0}", "cache.entries: must be from 1 to 100000, and is 0. Set the most answers"),
        ("cache: {entries: 100001}", "cache.entries: must be from 1 to 100000, and is 100001"),
        ("cache: {max_mib: 0}", "cache.max_mib: must be from 1 to 1024, and is 0. Set the most memory"),
        ("cache: {size: 100}", "cache.size: is not a known key"),
        ("cache: true", "cache: must be a mapping"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line_and_a_fix(more: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(OnboardingError) as refused:
        read(f"  {more}\n", tmp_path)
    assert f"flights.yaml:7: {fault}" in str(refused.value)


def test_an_endpoint_served_elsewhere_has_no_answers_to_keep(tmp_path: Path) -> None:
    path = tmp_path / "flights.yaml"
    path.write_text(
        YAML.replace("  model_name: delays\n", "  served: elsewhere\n  classes: [a, b]\n") + "  cache: {}\n"
    )
    with pytest.raises(OnboardingError, match="cache: the endpoint is served elsewhere: there is no model here"):
        read_endpoint(path)
