"""Settings of this installation, from the environment, then the project's pyproject.toml, then defaults."""

import os
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from modelops_pipelines.core.errors import SettingsError
from modelops_pipelines.store.setting_checks import (
    NUMBERS,
    SERVER_SCHEMES,
    check_limits,
    check_links,
    check_names,
    check_openlineage,
    check_registry,
    check_retention,
    check_retention_names,
    number,
)
from modelops_pipelines.store.setting_names import ENVIRONMENT

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Settings:
    """The settings of one installation; see docs/configuration.md for what each one does."""

    home: Path
    endpoints: Path
    suites: Path
    state_url: str
    registry_uri: str
    host: str = LOOPBACK
    gateway_port: int = 8000
    dagster_port: int = 3000
    mlflow_port: int = 5000
    seal_after_seconds: float = 10.0
    ingest_lag_seconds: float = 20.0
    monitoring_seconds: float = 900.0
    workers: int = 1
    keep_alive_seconds: float = 90.0
    global_limit: str | None = None
    limits_url: str | None = None
    allowed_hosts: str | None = None
    widget_origins: str | None = None
    public_url: str | None = None
    dagster_url: str | None = None
    openlineage: str | None = None
    """A file, or the address of a receiver, that OpenLineage events are written to; None: nowhere."""
    openlineage_namespace: str = "modelops"
    openlineage_private: bool = False
    """Whether the receiver may be at an address of a private network or of this machine."""
    connections: int = 1000
    header_kib: int = 64
    bodies_mib: int = 256
    request_seconds: float = 60.0
    idle_seconds: float = 15.0
    retain_runs: str = "90d"
    retain_monitoring: str = "3d"
    retain_ticks: str = "7d"
    retain_models: str = "400d"
    retain_reports: str = "400d"
    retain_logs: str = "30d"
    retain_state: str = "400d"
    retain_reviews: str = "90d"
    log_mib: int = 16
    models_mib: int | None = None
    alerting: Path | None = None
    """The file that says who is told of which alert; None: ``alerting.yaml`` beside the endpoints' folder."""
    sign_in: Path | None = None
    """The file that names the provider of identities which people sign in with; None: they sign in with API keys."""

    @property
    def alerting_file(self) -> Path:
        """The file that says who is told of which alert; it may be absent."""
        return self.alerting or self.endpoints.parent / "alerting.yaml"

    @property
    def lake(self) -> Path:
        """The lake's folder: ``lake/<endpoint>/<table>``."""
        return self.home / "lake"

    @property
    def spool(self) -> Path:
        """The spool's folder: ``spool/<endpoint>/<stream>/<worker>/``."""
        return self.home / "spool"

    @property
    def artifacts(self) -> Path:
        """The folder of MLflow's model files."""
        return self.home / "mlartifacts"

    @property
    def models(self) -> Path:
        """The folder of the copies that versions are loaded from: ``models/<hash of the files>``."""
        return self.home / "models"

    @property
    def reports(self) -> Path:
        """The folder of HTML reports."""
        return self.home / "reports"

    @property
    def logs(self) -> Path:
        """The folder of the logs of ``modelops up``, one a service."""
        return self.home / "logs"

    @property
    def dagster(self) -> Path:
        """The home of Dagster under ``modelops up``."""
        return self.home / "dagster"

    @property
    def gateway_url(self) -> str:
        """The gateway's address, for the CLI and the demo."""
        return f"http://{self.host}:{self.gateway_port}"

    @property
    def links_to_gateway(self) -> str:
        """The gateway's address in messages to people, without a slash at its end."""
        return (self.public_url or self.gateway_url).rstrip("/")

    @property
    def links_to_dagster(self) -> str:
        """Dagster's address in messages to people, without a slash at its end."""
        return (self.dagster_url or f"http://{self.host}:{self.dagster_port}").rstrip("/")

    def environment(self) -> dict[str, str]:
        """Return the variables that give a child process these same settings."""
        given = {variable: getattr(self, name) for name, variable in ENVIRONMENT.items()}
        return {variable: str(value) for variable, value in given.items() if value is not None}


def load_settings(folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the project in the folder (the current one by default).

    Raises SettingsError for an unknown key, a value of the wrong type, or a pyproject.toml that does not parse.
    """
    root = (folder or Path.cwd()).resolve()
    given = _from_pyproject(root / "pyproject.toml")
    env = os.environ if environment is None else environment
    check_retention_names(env)
    given |= {name: env[variable] for name, variable in ENVIRONMENT.items() if env.get(variable)}
    home = (root / str(given.pop("home", ".modelops"))).resolve()
    endpoints = (root / str(given.pop("endpoints", "endpoints"))).resolve()
    suites = (root / str(given.pop("suites", endpoints.parent / "suites"))).resolve()
    alerting = (root / str(given.pop("alerting", endpoints.parent / "alerting.yaml"))).resolve()
    if "sign_in" in given:
        given["sign_in"] = (root / str(given["sign_in"])).resolve()
    state_url = str(given.pop("state_url", f"sqlite:///{home / 'state.db'}"))
    registry_uri = str(given.pop("registry_uri", own_registry(home)))
    numbers = {name: number(name, given.pop(name)) for name in list(given) if name.endswith(NUMBERS)}
    check_registry(registry_uri)
    check_limits(given)
    check_names(given)
    check_retention(given)
    check_links(given)
    check_openlineage(given, root)
    rest: dict[str, Any] = {**given, **numbers}
    return Settings(home, endpoints, suites, state_url, registry_uri, alerting=alerting, **rest)


def prepare_home(settings: Settings) -> None:
    """Create the home's folders, for this user only; raises SettingsError when the home is not writable."""
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (settings.lake, settings.spool, settings.artifacts, settings.reports):
            folder.mkdir(exist_ok=True)
        probe = settings.home / f".write-probe-{secrets.token_hex(8)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SettingsError(
            f"The home {settings.home} is not writable ({error.strerror})",
            "Give this user write access to it, or set MODELOPS_HOME to another folder",
        ) from error


def _from_pyproject(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        tools = tomllib.loads(path.read_text()).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} does not parse ({error})", "Correct the file") from error
    table: dict[str, Any] = tools.get("modelops", {})
    for key in table:
        if key not in ENVIRONMENT:
            known = ", ".join(ENVIRONMENT)
            raise SettingsError(f"{path}: [tool.modelops] has no setting {key!r}", f"Use one of: {known}")
    return {**_of_dagster(path.parent, tools.get("dg", {}).get("project", {})), **table}


def _of_dagster(root: Path, project: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a Dagster project's own settings say: its endpoints are components in its folder ``defs``.

    A folder ``endpoints`` beside the pyproject.toml goes before it.
    """
    module = project.get("defs_module") or (f"{project['root_module']}.defs" if project.get("root_module") else None)
    if module is None or (root / "endpoints").is_dir():
        return {}
    inside = Path(*str(module).split("."))
    found = next((place for place in (Path("src") / inside, inside) if (root / place).is_dir()), None)
    return {} if found is None else {"endpoints": str(found)}


def own_registry(home: Path) -> str:
    """Return the address of the registry in the home, which is used unless another one is set."""
    return f"sqlite:///{home / 'mlflow.db'}"


def is_server(registry_uri: str) -> bool:
    """Return whether the registry is an MLflow server, rather than a database that this installation opens."""
    return urlsplit(registry_uri).scheme in SERVER_SCHEMES
