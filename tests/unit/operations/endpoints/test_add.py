"""A new endpoint's file in a folder that holds nothing, or a project; nothing is written where it is refused."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.core.endpoints.alert_rules import default_alerts
from modelops_pipelines.core.endpoints.spec import TASKS, EndpointSpec
from modelops_pipelines.core.errors import ConflictError, InputError, OnboardingError
from modelops_pipelines.operations.alerting.life.act_on_alerts import silence
from modelops_pipelines.operations.endpoints.add import NewEndpoint, draft_endpoint, remember_registry, require_unused
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.store.settings import Settings, load_settings
from modelops_pipelines.store.state.improve.review_items import ReviewItem
from tests.fakes.raised_alerts import raised
from tests.support.project import make_project

CHURN = {"name": "churn", "model_name": "customer-churn", "task": "binary_classification", "label": "left"}


def added(settings: Settings, attributes: Mapping[str, str]) -> Path:
    """Write an endpoint's file, and return its path."""
    draft = draft_endpoint(settings, attributes)
    draft.write()
    return draft.path


@pytest.mark.parametrize("task", TASKS)
def test_the_file_is_the_endpoint_and_no_default_is_lost(task: str, tmp_path: Path) -> None:
    spec = read_endpoint(added(load_settings(tmp_path, {}), {**CHURN, "task": task}))
    assert spec == replace(EndpointSpec("churn", "customer-churn", task, "left"), alerts=default_alerts(task))


def test_a_name_that_is_taken_is_refused_in_whichever_file_it_is(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})
    path = added(settings, CHURN)
    path.rename(path.with_name("another.yaml"))
    with pytest.raises(ConflictError, match="There is an endpoint 'churn' already"):
        added(settings, CHURN)
    assert ["another.yaml"] == [one.name for one in settings.endpoints.iterdir()]


@pytest.mark.parametrize("name", ["../churn", "", "Churn 1", "a/b"])
def test_a_name_that_is_none_writes_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(OnboardingError, match="the new endpoint"):
        added(load_settings(tmp_path, {}), {**CHURN, "name": name})
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("mark", ["{{ 1 }}", "{% if %}", "{# note #}"])
@pytest.mark.parametrize("key", ["description", "label", "owners", "classes", "positive_label", "model_name"])
def test_a_template_is_refused_since_dagster_would_run_it(key: str, mark: str, tmp_path: Path) -> None:
    value = [f"a{mark}"] if key in ("owners", "classes") else f"a{mark}"
    with pytest.raises(OnboardingError, match=f"{key}: has the marks of a template"):
        draft_endpoint(load_settings(tmp_path, {}), {**CHURN, key: value})


def test_in_a_dagster_project_an_endpoint_is_a_component_of_its_own(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {"MODELOPS_ENDPOINTS": "clinic/defs"})
    path = added(settings, CHURN)
    assert settings.endpoints / "churn" / "defs.yaml" == path
    assert "defs/churn/defs.yaml" == draft_endpoint(settings, {**CHURN, "name": "other"}).shown_path.replace(
        "other", "churn"
    )
    with pytest.raises(ConflictError, match="There is an endpoint 'churn' already"):
        added(settings, CHURN)
    for name in ("defs", "component"):
        with pytest.raises(OnboardingError, match="is a name of Dagster's here"):
            added(settings, {**CHURN, "name": name})


@pytest.mark.parametrize("left", ["log", "spool", "reports", "alert", "rule", "silence", "key", "review"])
def test_a_name_of_which_anything_is_left_is_not_given_to_another(left: str, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    stores, now = project.stores, project.stores.now()
    require_unused(stores, "ghost")
    if left in ("log", "spool", "reports"):
        (getattr(stores.settings, {"log": "lake"}.get(left, left)) / "ghost").mkdir(parents=True)
    elif left == "alert":
        raised(stores, "ghost")
    elif left == "rule":
        stores.runtime_rules.add("ghost", "slow", {"kind": "error_rate", "above": 0.1}, now, "ann")
    elif left == "silence":
        silence(stores, {"endpoint": "ghost"}, reason="why", actor="ann", until=now + timedelta(days=1))
    elif left == "key":
        stores.keys.create(grant("old", ["read"], endpoints=["ghost"]), now=now, actor="ann")
    else:
        stores.review_items.add([ReviewItem("ghost", "p-0", now, "1", "random", 1.0, None, 1, now, {})])
    with pytest.raises(ConflictError, match="'ghost' was an endpoint's name before"):
        require_unused(stores, "ghost")
    require_unused(stores, "ghosts")
    stores.database.close()


@pytest.mark.parametrize("task", TASKS)
def test_a_limit_changes_its_rule_and_loses_none_of_the_default_ones(task: str, tmp_path: Path) -> None:
    new = NewEndpoint("churn", task, "left", "customer-churn", latency_p95_ms=500.0)
    spec = draft_endpoint(load_settings(tmp_path, {}), new.attributes()).spec
    usual = {rule.kind: rule for rule in default_alerts(task)}
    expected = [replace(rule, above=500) if rule.kind == "latency_p95_ms" else rule for rule in default_alerts(task)]
    assert (expected, 10_000) == (list(spec.alerts), usual["latency_p95_ms"].above)


def test_what_is_not_said_has_no_line() -> None:
    new = NewEndpoint("churn", "binary_classification", "left", "customer-churn")
    assert list(CHURN.items()) == list(new.attributes().items())


def test_a_file_that_comes_between_is_not_replaced(tmp_path: Path) -> None:
    drafts = [draft_endpoint(load_settings(tmp_path, {}), CHURN | {"description": text}) for text in ("one", "two")]
    drafts[0].write()
    with pytest.raises(ConflictError, match="There is an endpoint 'churn' already"):
        drafts[1].write()
    assert [drafts[0].path] == list((tmp_path / "endpoints").iterdir())
    assert "description: one" in drafts[0].path.read_text()


def test_a_link_to_nowhere_is_not_followed(tmp_path: Path) -> None:
    draft = draft_endpoint(load_settings(tmp_path, {}), CHURN)
    draft.path.parent.mkdir()
    draft.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConflictError, match="already"):
        draft.write()
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    draft = draft_endpoint(load_settings(tmp_path / "project", {}), CHURN)
    (tmp_path / "project").write_text("a file")
    with pytest.raises(ConflictError, match="cannot be written to"):
        draft.write()


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
