"""A new endpoint's file in a folder that holds nothing, or a project; nothing is written where it is refused."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.alert_rules import default_alerts
from modelops_pipelines.core.endpoints.spec import TASKS, EndpointSpec
from modelops_pipelines.core.errors import ConflictError, InputError, OnboardingError
from modelops_pipelines.operations.endpoints.add import add_endpoint, remember_registry
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.store.settings import load_settings

CHURN = {"name": "churn", "model_name": "customer-churn", "task": "binary_classification", "label": "left"}


@pytest.mark.parametrize("task", TASKS)
def test_the_file_is_the_endpoint_and_no_default_is_lost(task: str, tmp_path: Path) -> None:
    spec = read_endpoint(add_endpoint(load_settings(tmp_path, {}), {**CHURN, "task": task}))
    assert spec == replace(EndpointSpec("churn", "customer-churn", task, "left"), alerts=default_alerts(task))


def test_a_name_that_is_taken_is_refused_in_whichever_file_it_is(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})
    path = add_endpoint(settings, CHURN)
    path.rename(path.with_name("another.yaml"))
    with pytest.raises(ConflictError, match="There is an endpoint 'churn' already"):
        add_endpoint(settings, CHURN)
    assert ["another.yaml"] == [one.name for one in settings.endpoints.iterdir()]


@pytest.mark.parametrize("name", ["../churn", "", "Churn 1", "a/b"])
def test_a_name_that_is_none_writes_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(OnboardingError, match="the new endpoint"):
        add_endpoint(load_settings(tmp_path, {}), {**CHURN, "name": name})
    assert [] == list(tmp_path.iterdir())


def test_the_registry_is_remembered_beside_what_the_file_holds(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"')
    for _ in range(2):
        remember_registry(tmp_path, "https://mlflow.example.com")
    told = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert {"project": {"name": "x"}, "tool": {"modelops": {"registry_uri": "https://mlflow.example.com"}}} == told
    assert "https://mlflow.example.com" == load_settings(tmp_path, {}).registry_uri


def test_other_settings_and_passwords_are_left_to_the_user(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.modelops]\nhome = "elsewhere"\n')
    with pytest.raises(ConflictError, match="Write there: registry_uri"):
        remember_registry(tmp_path, "https://mlflow.example.com")
    with pytest.raises(InputError, match="MLFLOW_TRACKING_PASSWORD") as error:
        remember_registry(tmp_path, "https://ann:secret@mlflow.example.com")
    assert "secret@" not in str(error.value)
