"""A snapshot gives back the configurations that it was made of; a follower tells once that they are others."""

from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.alert_rules import default_alerts
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.endpoints.follower import Follower
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.endpoints.snapshots import read_snapshot, write_snapshot
from modelops_pipelines.store.settings import Settings, load_settings

YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: {name}
  model_name: m
  task: binary_classification
  label: y
"""
MORE = "  alerts: [{kind: drift}, {kind: error_rate, above: 0.2, over: 2h}]\n  promotion: {strategy: canary}\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "endpoints").mkdir()
    for name in ("a", "b"):
        (tmp_path / "endpoints" / f"{name}.yaml").write_text(YAML.format(name=name))
    return load_settings(tmp_path, {"MODELOPS_HOME": str(tmp_path / "home")})


def specs(settings: Settings) -> list[EndpointSpec]:
    return [read_endpoint(path) for path in sorted(settings.endpoints.glob("*.yaml"))]


def test_a_snapshot_is_read_as_it_was_whatever_the_files_say_since(settings: Settings) -> None:
    (settings.endpoints / "b.yaml").write_text(YAML.format(name="b") + MORE)
    before = specs(settings)
    number = write_snapshot(settings, before)
    assert number == write_snapshot(settings, before)
    (settings.endpoints / "b.yaml").write_text("attributes: [")
    assert tuple(before) == read_snapshot(settings, number)
    assert (before[1],) == read_snapshot(settings, number, ["b"])
    assert before[0].alerts == default_alerts("binary_classification")


def test_a_snapshot_that_is_gone_damaged_or_of_another_release_is_none(settings: Settings) -> None:
    assert read_snapshot(settings, "nothing") is None
    number = write_snapshot(settings, specs(settings))
    [path] = (settings.home / "dagster" / "configurations").glob("*.json")
    content = path.read_text()
    for other in (content[:-5], content.replace('"label":"y"', '"label":"y","new_key":1')):
        path.write_text(other)
        assert read_snapshot(settings, number) is None


def test_a_change_is_told_once_after_the_file_has_come_to_rest(settings: Settings) -> None:
    follower = Follower(settings)
    assert [False, False] == [follower.changed(), follower.changed()]
    (settings.endpoints / "a.yaml").write_text(YAML.format(name="a") + MORE)
    assert [False, True, False] == [follower.changed() for _ in range(3)]
    (settings.endpoints / "c.yaml").write_text(YAML.format(name="c"))
    assert [False, True, False] == [follower.changed() for _ in range(3)]
    (settings.endpoints / "c.yaml").write_text("# a comment\n" + YAML.format(name="c"))
    assert [False, False, False] == [follower.changed() for _ in range(3)], "it says the same"
    (settings.endpoints / "c.yaml").write_text("attributes: [")
    assert [False, True, False] == [follower.changed() for _ in range(3)]
    (settings.endpoints / "c.yaml").unlink()
    assert [False, True, False] == [follower.changed() for _ in range(3)]
