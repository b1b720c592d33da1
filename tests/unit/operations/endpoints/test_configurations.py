"""A fault of one endpoint's file is that endpoint's alone: every other command, and the one that served before, goes on."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.issues import Issue
from modelops_pipelines.core.endpoints.trust import Trust
from modelops_pipelines.core.errors import OnboardingError, UnknownError
from modelops_pipelines.operations.endpoints import load
from modelops_pipelines.operations.endpoints.configurations import Configurations, read_configurations
from modelops_pipelines.operations.endpoints.kept import forget, keep, keep_refusal, kept_of
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores
from tests.fakes.faulty_files import FAULTS, NOT_TOLD
from tests.fakes.signing_keys import make_pair
from tests.unit.operations.endpoints.onboarding_files import FULL, TRAINERS
from tests.unit.operations.endpoints.onboarding_guards import GUARDED
from tests.unit.operations.endpoints.onboarding_monitoring import METRICS, QUERIES, WATCHED

YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: {name}
  model_name: tumours
  task: binary_classification
  label: benign
  window: hour
"""


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stores:
    """Return the stores of a project with the endpoints ``one``, ``two`` and ``three``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "endpoints").mkdir()
    for name in ("one", "two", "three"):
        (tmp_path / "endpoints" / f"{name}.yaml").write_text(YAML.format(name=name))
    return Stores(load_settings(tmp_path, {}))


def file_of(stores: Stores, name: str) -> Path:
    return stores.settings.endpoints / f"{name}.yaml"


def keep_all(stores: Stores) -> None:
    found = read_configurations(stores.settings)
    for spec in found.specs:
        keep(stores.settings, spec, found.paths[spec.name])


def names(found: Configurations) -> list[str]:
    return sorted(spec.name for spec in found.specs)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_never_served_is_told_and_disturbs_no_other_endpoint(stores: Stores, fault: str) -> None:
    FAULTS[fault](file_of(stores, "two"))
    found = read_configurations(stores.settings)
    assert ["one", "three"] == names(found)
    told = [one.path.name for one in found.faulty]
    assert ([] if fault in NOT_TOLD else ["two.yaml"]) == told
    assert "one" == endpoint_named(stores, "one").name
    with pytest.raises((OnboardingError, UnknownError)):
        endpoint_named(stores, "two")


def test_a_check_that_stumbles_over_a_file_is_a_fault_of_that_file_alone(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbles(rules: Sequence[AlertRule], *_: object) -> list[Issue]:
        if rules[0].kind == "volume":
            raise OverflowError("too large")
        return []

    monkeypatch.setattr(load, "rule_file_issues", stumbles)
    file_of(stores, "two").write_text(f"{YAML.format(name='two')}  alerts: [{{kind: volume, below: 1}}]\n")
    found = read_configurations(stores.settings)
    assert ["one", "three"] == names(found)
    [told] = found.faulty
    assert ("two", "cannot be checked (OverflowError)") == (told.endpoint, told.faults[0].problem)


def test_a_key_that_a_refused_configuration_revokes_is_not_trusted_by_the_one_before(stores: Stores) -> None:
    first, second = (make_pair(Path("keys"), name).public for name in ("first", "second"))
    trusting = YAML.format(name="two") + f"  trust: {{signed_by: [{first}, {second}]}}\n"
    file_of(stores, "two").write_text(trusting)
    keep_all(stores)
    before = endpoint_named(stores, "two")
    file_of(stores, "two").write_text(trusting.replace(f"{first}, ", "").replace("hour", "day"))
    newest = endpoint_named(stores, "two")
    keep_refusal(stores.settings, newest, "version 1 is refused")
    assert replace(before, trust=Trust((str(second),))) == endpoint_named(stores, "two")
    file_of(stores, "two").write_text(trusting)
    assert before == endpoint_named(stores, "two")


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - NOT_TOLD))
def test_an_endpoint_that_served_keeps_its_configuration_while_its_file_is_faulty(
    stores: Stores, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = endpoint_named(stores, "two")
    keep_all(stores)
    FAULTS[fault](file_of(stores, "two"))
    assert before == endpoint_named(stores, "two")
    assert "its YAML has faults, and the configuration that it served with last is in force" in caplog.text
    found = read_configurations(stores.settings)
    assert (["one", "three", "two"], ["two"]) == (names(found), [one.endpoint for one in found.faulty])


def test_a_name_of_two_files_belongs_to_the_one_that_served_by_it(stores: Stores) -> None:
    keep_all(stores)
    file_of(stores, "another").write_text(YAML.format(name="two").replace("hour", "day"))
    found = read_configurations(stores.settings)
    assert ["hour"] == [spec.window for spec in found.specs if spec.name == "two"]
    assert [(None, "another.yaml")] == [(one.endpoint, one.path.name) for one in found.faulty]
    assert "endpoint 'two' is already declared at" in found.faulty[0].problem


def test_a_name_of_two_files_that_never_served_is_a_fault_of_that_endpoint_alone(stores: Stores) -> None:
    file_of(stores, "another").write_text(YAML.format(name="two"))
    found = read_configurations(stores.settings)
    assert (["one", "three"], ["two"]) == (names(found), [one.endpoint for one in found.faulty])
    with pytest.raises(OnboardingError, match="endpoint 'two' is already declared at"):
        endpoint_named(stores, "two")


def test_a_faulty_copy_of_a_file_takes_nothing_from_it(stores: Stores) -> None:
    file_of(stores, "copy").write_text(YAML.format(name="two") + "  colour: red\n")
    found = read_configurations(stores.settings)
    assert (["one", "three", "two"], ["copy.yaml"]) == (names(found), [one.path.name for one in found.faulty])


def test_a_folder_that_cannot_be_listed_is_told_and_its_endpoints_stay(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = stores.settings.endpoints / "inner"
    inner.mkdir()
    file_of(stores, "two").rename(inner / "two.yaml")
    keep_all(stores)
    import os

    scan = os.scandir

    def refuse(path: str) -> object:
        if Path(path) == inner:
            raise PermissionError(13, "Permission denied", str(inner))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)  # permissions do not hold for root
    found = read_configurations(stores.settings)
    assert ["one", "three", "two"] == names(found)
    assert [("two", inner)] == [(one.endpoint, one.path) for one in found.faulty]


@pytest.mark.parametrize("content", [YAML.format(name="flights"), FULL, GUARDED, WATCHED])
def test_a_kept_configuration_is_the_one_that_was_in_force(stores: Stores, content: str) -> None:
    folder = stores.settings.endpoints.parent
    for name, source in {**TRAINERS, "metrics.py": METRICS}.items():
        (folder / "demo").mkdir(exist_ok=True)
        (folder / "demo" / name).write_text(source)
    (folder / "metrics").mkdir()
    for name, query in QUERIES.items():
        (folder / "metrics" / f"{name}.sql").write_text(query)
    path = file_of(stores, "flights")
    path.write_text(content)
    spec = read_endpoint(path)
    keep(stores.settings, spec, path)
    kept = kept_of(stores.settings, "flights")
    assert kept is not None
    assert spec == kept.spec


def test_a_refused_configuration_is_told_until_the_file_says_something_else(stores: Stores) -> None:
    keep_all(stores)
    spec = endpoint_named(stores, "two")
    refused = read_endpoint(file_of(stores, "three"))
    keep_refusal(stores.settings, spec, "no such version")
    kept = kept_of(stores.settings, "two")
    assert kept is not None
    assert ("no such version", None) == (kept.refusal_of(spec), kept.refusal_of(refused))
    keep(stores.settings, spec, file_of(stores, "two"))
    kept = kept_of(stores.settings, "two")
    assert kept is not None
    assert kept.refusal_of(spec) is None


def test_what_the_gateway_refused_is_in_force_for_nobody_but_who_tries_it(stores: Stores) -> None:
    keep_all(stores)
    served = endpoint_named(stores, "two")
    file_of(stores, "two").write_text(YAML.format(name="two").replace("binary_classification", "regression"))
    assert "regression" == endpoint_named(stores, "two").task
    keep_refusal(stores.settings, read_endpoint(file_of(stores, "two")), "it answers a matrix")
    found = read_configurations(stores.settings)
    assert (served, {"two": "it answers a matrix"}) == (endpoint_named(stores, "two"), found.refused)
    assert ["one", "three", "two"] == names(found)
    assert "regression" == endpoint_named(stores, "two", newest=True).task
    file_of(stores, "two").write_text(YAML.format(name="two"))
    assert ({}, served) == (read_configurations(stores.settings).refused, endpoint_named(stores, "two"))


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"file": "two.yaml", "attributes": {"name": 3}})])
def test_a_damaged_record_of_a_configuration_is_none(stores: Stores, content: str) -> None:
    keep_all(stores)
    (stores.settings.home / "configurations" / "two.json").write_text(content)
    file_of(stores, "two").write_text("")
    found = read_configurations(stores.settings)
    assert ["one", "three"] == names(found)


def test_what_is_forgotten_serves_no_longer_by_an_earlier_configuration(stores: Stores) -> None:
    keep_all(stores)
    forget(stores.settings, "two")
    file_of(stores, "two").write_text("")
    assert ["one", "three"] == names(read_configurations(stores.settings))
