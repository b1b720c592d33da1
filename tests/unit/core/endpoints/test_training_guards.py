"""What an endpoint's YAML may say of the guards on a training set."""

from dataclasses import replace

import pytest

from modelops_pipelines.core.endpoints.improvement import GUARD_MODES, SET_GUARDS, TrainingPolicy
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validate import ValidationContext, endpoint_issues
from modelops_pipelines.core.improve.guards.results import GUARDS, mode_of

FLIGHTS = EndpointSpec("flights", "flight-delay", "binary_classification", "late")


def issues(guards: dict[str, str]) -> list[str]:
    spec = replace(FLIGHTS, training=TrainingPolicy(guards=guards))
    return [f"{one.path}: {one.problem}" for one in endpoint_issues(spec, ValidationContext(system_columns=()))]


@pytest.mark.parametrize("mode", GUARD_MODES)
def test_every_guard_takes_every_mode(mode: str) -> None:
    assert [] == issues(dict.fromkeys(SET_GUARDS, mode))


def test_another_name_or_mode_is_an_issue_at_its_path() -> None:
    assert ["training.guards.leekage: is not a guard"] == issues({"leekage": "block"})
    assert ["training.guards.leakage: 'refuse' is not a valid value"] == issues({"leakage": "refuse"})


def test_a_guard_blocks_unless_the_yaml_says_otherwise() -> None:
    assert "block" == mode_of(FLIGHTS, "text")
    assert "warn" == mode_of(replace(FLIGHTS, training=TrainingPolicy(guards={"text": "warn"})), "text")


def test_every_guard_says_what_it_judges() -> None:
    assert set(SET_GUARDS) == set(GUARDS)
