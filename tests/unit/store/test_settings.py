"""Settings: what holds, and what is refused by its name."""

from pathlib import Path

import pytest

from modelops_pipelines.core.access.hosts import read_origins
from modelops_pipelines.core.errors import SettingsError
from modelops_pipelines.store.settings import load_settings

GUARDS = {
    "MODELOPS_WORKERS": "3",
    "MODELOPS_GLOBAL_LIMIT": "1000/minute; 50/second",
    "MODELOPS_LIMITS_URL": "redis://:secret@127.0.0.1:6379/0",
    "MODELOPS_ALLOWED_HOSTS": "ml.example.com, gate.example:8443",
    "MODELOPS_CONNECTIONS": "50",
    "MODELOPS_HEADER_KIB": "16",
    "MODELOPS_BODIES_MIB": "32",
    "MODELOPS_REQUEST_SECONDS": "2.5",
    "MODELOPS_IDLE_SECONDS": "1.5",
    "MODELOPS_RETAIN_RUNS": "30d",
    "MODELOPS_RETAIN_MODELS": "never",
    "MODELOPS_LOG_MIB": "4",
}
WRONG = {
    "no worker": ({"MODELOPS_WORKERS": "0"}, "The setting workers is '0'. Set MODELOPS_WORKERS to a number of"),
    "half a worker": ({"MODELOPS_WORKERS": "1.5"}, "The setting workers is '1.5'"),
    "too many workers": ({"MODELOPS_WORKERS": "1e9"}, "The setting workers is '1e9'"),
    "a port that is none": ({"MODELOPS_GATEWAY_PORT": "65536"}, "Set MODELOPS_GATEWAY_PORT to a port"),
    "endless seconds": ({"MODELOPS_SEAL_AFTER_SECONDS": "inf"}, "to a number of seconds"),
    "seconds that are no number": ({"MODELOPS_SEAL_AFTER_SECONDS": "nan"}, "to a number of seconds"),
    "no rate": ({"MODELOPS_GLOBAL_LIMIT": "1000"}, "The setting global_limit: '1000' is not a rate limit"),
    "a rate of nothing": (
        {"MODELOPS_GLOBAL_LIMIT": "0/day"},
        "'0/day' allows no request. Correct MODELOPS_GLOBAL_LIMIT",
    ),
    "no host": ({"MODELOPS_ALLOWED_HOSTS": "a.example, *"}, "The setting allowed_hosts names '*', which is no host"),
    "no origin": (
        {"MODELOPS_WIDGET_ORIGINS": "https://a.example, *.example"},
        "The setting widget_origins names '*.example', which is no origin. Set MODELOPS_WIDGET_ORIGINS to origins",
    ),
    "an origin with a path": ({"MODELOPS_WIDGET_ORIGINS": "https://a.example/x"}, "which is no origin"),
    "what is no list of origins": ({"MODELOPS_WIDGET_ORIGINS": "https://a.example; script-src *"}, "is no origin"),
    "too few connections": ({"MODELOPS_CONNECTIONS": "9"}, "MODELOPS_CONNECTIONS to a number of connections, 10 to"),
    "no header": ({"MODELOPS_HEADER_KIB": "0"}, "Set MODELOPS_HEADER_KIB to a number of KiB, 8 to 1024"),
    "no body": ({"MODELOPS_BODIES_MIB": "0"}, "Set MODELOPS_BODIES_MIB to a number of MiB, 1 to"),
    "no time": ({"MODELOPS_REQUEST_SECONDS": "0.5"}, "Set MODELOPS_REQUEST_SECONDS to a number of seconds, from 1"),
    "no pause": ({"MODELOPS_IDLE_SECONDS": "0"}, "Set MODELOPS_IDLE_SECONDS to a number of seconds, from 1"),
    "no retention": (
        {"MODELOPS_RETAIN_RUNS": "90"},
        "The setting retain_runs is '90'. Set MODELOPS_RETAIN_RUNS to a dur",
    ),
    "kept for a second": ({"MODELOPS_RETAIN_RUNS": "1s"}, "from 1h, up to ten years, or never"),
    "a retention that is none": ({"MODELOPS_RETAIN_BOGUS": "1d"}, "Use one of: MODELOPS_RETAIN_RUNS"),
    "a lag of centuries": ({"MODELOPS_INGEST_LAG_SECONDS": "1e12"}, "a number of seconds, 0 to 86400"),
    "nothing kept": ({"MODELOPS_RETAIN_LOGS": "0d"}, "a duration, such as 90d or 12h, up to ten years, or never"),
    "no room for logs": ({"MODELOPS_LOG_MIB": "0"}, "Set MODELOPS_LOG_MIB to a number of MiB, 1 to"),
    "no Redis": ({"MODELOPS_LIMITS_URL": "http://:secret@x"}, "starts with redis:// or rediss:// or unix://"),
}


def test_guards_are_off_unless_they_are_set(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})
    assert (1, None, None) == (settings.workers, settings.global_limit, settings.limits_url)
    assert {"MODELOPS_GLOBAL_LIMIT", "MODELOPS_LIMITS_URL"}.isdisjoint(settings.environment())


def test_a_child_process_gets_the_same_settings(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, GUARDS)
    assert GUARDS.items() <= settings.environment().items()
    assert settings == load_settings(tmp_path, settings.environment())


def test_hosts_may_be_a_list_in_the_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.modelops]\nallowed_hosts = ["a.example", "b.example:1"]\n')
    assert "a.example, b.example:1" == load_settings(tmp_path, {}).allowed_hosts
    (tmp_path / "pyproject.toml").write_text('[tool.modelops]\nwidget_origins = ["https://A.example:443/"]\n')
    assert ("https://a.example",) == read_origins(load_settings(tmp_path, {}).widget_origins or "")


def test_guards_can_be_set_in_the_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.modelops]\nworkers = 2\nglobal_limit = "5/second"\n')
    settings = load_settings(tmp_path, {})
    assert (2, "5/second") == (settings.workers, settings.global_limit)


@pytest.mark.parametrize(("environment", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_setting_is_refused_by_its_name(tmp_path: Path, environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path, environment)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("uri", ["htp://x", "http://", "x", "ftp://host/x", "http:/host", "://", "postgres ql://x"])
def test_an_address_that_is_no_registry_s_is_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(SettingsError, match="The setting registry_uri is not the address of an MLflow server"):
        load_settings(tmp_path, {"MODELOPS_REGISTRY_URI": uri})


@pytest.mark.parametrize(
    "uri", ["http://host:5000", "https://host/mlflow", "sqlite:////a.db", "postgresql+psycopg://u:p@h/d", "mysql://h/d"]
)
def test_an_address_of_a_registry_is_taken(tmp_path: Path, uri: str) -> None:
    assert uri == load_settings(tmp_path, {"MODELOPS_REGISTRY_URI": uri}).registry_uri


def test_a_refused_registry_s_password_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(tmp_path, {"MODELOPS_REGISTRY_URI": "postgrs://user:secret@host/db"})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("project", "folders", "endpoints"),
    [
        ('root_module = "clinic"', ["clinic/defs"], "clinic/defs"),
        ('root_module = "clinic"', ["src/clinic/defs", "clinic/defs"], "src/clinic/defs"),
        ('root_module = "clinic"\ndefs_module = "clinic.of.ours"', ["src/clinic/of/ours"], "src/clinic/of/ours"),
        ('root_module = "clinic"', ["clinic/defs", "endpoints"], "endpoints"),
        ('root_module = "clinic"', [], "endpoints"),
        ('root_module = "clinic"\n[tool.modelops]\nendpoints = "mine"', ["clinic/defs"], "mine"),
    ],
)
def test_the_endpoints_of_a_dagster_project_lie_in_its_folder_of_definitions(
    tmp_path: Path, project: str, folders: list[str], endpoints: str
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(f"[tool.dg.project]\n{project}\n")
    assert load_settings(tmp_path, {}).endpoints == tmp_path / endpoints
    assert load_settings(tmp_path, {"MODELOPS_ENDPOINTS": "given"}).endpoints == tmp_path / "given"
