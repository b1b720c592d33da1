"""Settings of this installation, from the environment, then the project's pyproject.toml, then defaults."""

import os
import secrets
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from modelops_pipelines.core.access.hosts import read_hosts
from modelops_pipelines.core.access.rates import rate_problem
from modelops_pipelines.core.errors import SettingsError
from modelops_pipelines.core.maintenance.retention_periods import retention_problem

ENVIRONMENT = {
    "home": "MODELOPS_HOME",
    "endpoints": "MODELOPS_ENDPOINTS",
    "suites": "MODELOPS_SUITES",
    "alerting": "MODELOPS_ALERTING",
    "sign_in": "MODELOPS_SIGN_IN",
    "state_url": "MODELOPS_STATE_URL",
    "registry_uri": "MODELOPS_REGISTRY_URI",
    "host": "MODELOPS_HOST",
    "gateway_port": "MODELOPS_GATEWAY_PORT",
    "dagster_port": "MODELOPS_DAGSTER_PORT",
    "mlflow_port": "MODELOPS_MLFLOW_PORT",
    "seal_after_seconds": "MODELOPS_SEAL_AFTER_SECONDS",
    "ingest_lag_seconds": "MODELOPS_INGEST_LAG_SECONDS",
    "monitoring_seconds": "MODELOPS_MONITORING_SECONDS",
    "workers": "MODELOPS_WORKERS",
    "keep_alive_seconds": "MODELOPS_KEEP_ALIVE_SECONDS",
    "global_limit": "MODELOPS_GLOBAL_LIMIT",
    "limits_url": "MODELOPS_LIMITS_URL",
    "allowed_hosts": "MODELOPS_ALLOWED_HOSTS",
    "public_url": "MODELOPS_PUBLIC_URL",
    "dagster_url": "MODELOPS_DAGSTER_URL",
    "openlineage": "MODELOPS_OPENLINEAGE",
    "openlineage_namespace": "MODELOPS_OPENLINEAGE_NAMESPACE",
    "openlineage_private": "MODELOPS_OPENLINEAGE_PRIVATE",
    "connections": "MODELOPS_CONNECTIONS",
    "header_kib": "MODELOPS_HEADER_KIB",
    "bodies_mib": "MODELOPS_BODIES_MIB",
    "request_seconds": "MODELOPS_REQUEST_SECONDS",
    "idle_seconds": "MODELOPS_IDLE_SECONDS",
    "retain_runs": "MODELOPS_RETAIN_RUNS",
    "retain_monitoring": "MODELOPS_RETAIN_MONITORING",
    "retain_ticks": "MODELOPS_RETAIN_TICKS",
    "retain_models": "MODELOPS_RETAIN_MODELS",
    "retain_reports": "MODELOPS_RETAIN_REPORTS",
    "retain_logs": "MODELOPS_RETAIN_LOGS",
    "retain_state": "MODELOPS_RETAIN_STATE",
    "retain_reviews": "MODELOPS_RETAIN_REVIEWS",
    "log_mib": "MODELOPS_LOG_MIB",
    "models_mib": "MODELOPS_MODELS_MIB",
}
SECRET_SETTINGS = ("state_url", "registry_uri", "limits_url", "openlineage")
"""Settings whose values may hold a password."""
SECRET_VARIABLES = (
    *(ENVIRONMENT[name] for name in SECRET_SETTINGS),
    "MODELOPS_OPENLINEAGE_API_KEY",
    "MODELOPS_API_KEY",
)
"""Variables of ours that foreign code does not see."""
_SERVER_SCHEMES = ("http", "https")
_REGISTRY_SCHEMES = ("sqlite", "file", "postgresql", "mysql", "mssql", *_SERVER_SCHEMES)
LIMITS_SCHEMES = ("redis://", "rediss://", "unix://")
LOOPBACK = "127.0.0.1"
MOST_WORKERS = 256
_NUMBERS = ("_port", "_seconds", "workers", "connections", "_kib", "_mib")
_WHOLE = {
    "workers": (1, MOST_WORKERS, "a number of processes"),
    "connections": (10, 100_000, "a number of connections"),
    "header_kib": (8, 1024, "a number of KiB"),
    "bodies_mib": (1, 1024 * 1024, "a number of MiB"),
    "log_mib": (1, 1024 * 1024, "a number of MiB"),
    "models_mib": (1, 1024 * 1024 * 1024, "a number of MiB"),
}
"""Least, most and kind of each whole number that is no port."""
_LEAST_KEPT = timedelta(hours=1)
_RETENTION = "MODELOPS_RETAIN_"
_MOST_LAG_SECONDS = 86_400.0
_LEAST_SECONDS = {"request_seconds": 1.0, "idle_seconds": 1.0, "monitoring_seconds": 1.0}


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
    _check_retention_names(env)
    given |= {name: env[variable] for name, variable in ENVIRONMENT.items() if env.get(variable)}
    home = (root / str(given.pop("home", ".modelops"))).resolve()
    endpoints = (root / str(given.pop("endpoints", "endpoints"))).resolve()
    suites = (root / str(given.pop("suites", endpoints.parent / "suites"))).resolve()
    alerting = (root / str(given.pop("alerting", endpoints.parent / "alerting.yaml"))).resolve()
    if "sign_in" in given:
        given["sign_in"] = (root / str(given["sign_in"])).resolve()
    state_url = str(given.pop("state_url", f"sqlite:///{home / 'state.db'}"))
    registry_uri = str(given.pop("registry_uri", own_registry(home)))
    numbers = {name: _number(name, given.pop(name)) for name in list(given) if name.endswith(_NUMBERS)}
    _check_registry(registry_uri)
    _check_limits(given)
    _check_hosts(given)
    _check_retention(given)
    _check_links(given)
    _check_openlineage(given, root)
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


def _number(name: str, value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    least, most, kind = _range(name)
    whole = not name.endswith("_seconds")
    if not least <= number <= most or (whole and number != int(number)):
        raise SettingsError(f"The setting {name} is {value!r}", f"Set {ENVIRONMENT[name]} to {kind}")
    return int(number) if whole else number


def _range(name: str) -> tuple[float, float, str]:
    if name.endswith("_port"):
        return 0, 65535, "a port"
    if name in _WHOLE:
        least, most, kind = _WHOLE[name]
        return least, most, f"{kind}, {least} to {most}"
    if name in _LEAST_SECONDS:
        return _LEAST_SECONDS[name], sys.float_info.max, f"a number of seconds, from {_LEAST_SECONDS[name]:g}"
    if name == "ingest_lag_seconds":
        return 0, _MOST_LAG_SECONDS, f"a number of seconds, 0 to {_MOST_LAG_SECONDS:.0f}"
    return 0, sys.float_info.max, "a number of seconds"


def _check_retention(given: dict[str, Any]) -> None:
    """Raise SettingsError for a retention that is neither a duration nor never."""
    for name in [name for name in given if name.startswith("retain_")]:
        given[name] = str(given[name])
        wanted = retention_problem(given[name], _LEAST_KEPT)
        if wanted is not None:
            raise SettingsError(f"The setting {name} is {given[name]!r}", f"Set {ENVIRONMENT[name]} to {wanted}")


def _check_retention_names(environment: Mapping[str, str]) -> None:
    """Raise SettingsError for a variable of a retention that there is not: what it was to keep would be deleted."""
    known = [variable for variable in ENVIRONMENT.values() if variable.startswith(_RETENTION)]
    unknown = next((name for name in sorted(environment) if name.startswith(_RETENTION) and name not in known), None)
    if unknown is not None:
        raise SettingsError(f"There is no setting {unknown}", f"Use one of: {', '.join(known)}")


def _check_hosts(given: dict[str, Any]) -> None:
    """Raise SettingsError for a name that is none; TOML may give a list of names."""
    hosts = given.get("allowed_hosts")
    if hosts is None:
        return
    given["allowed_hosts"] = text = ", ".join(map(str, hosts)) if isinstance(hosts, list) else str(hosts)
    try:
        read_hosts(text)
    except ValueError as error:
        raise SettingsError(
            f"The setting allowed_hosts names {str(error)!r}, which is no host",
            f"Set {ENVIRONMENT['allowed_hosts']} to names, such as ml.example.com, or ml.example.com:8443",
        ) from error


def _check_links(given: Mapping[str, Any]) -> None:
    """Raise SettingsError for an address of pages that is none."""
    for name in ("public_url", "dagster_url"):
        url = given.get(name)
        if url is not None and urlsplit(str(url)).scheme not in _SERVER_SCHEMES:
            raise SettingsError(
                f"The setting {name} is no address of web pages ({str(url)[:80]!r})",
                f"Set {ENVIRONMENT[name]} to an address such as https://ml.example.com",
            )


def _check_openlineage(given: dict[str, Any], root: Path) -> None:
    """Read where lineage goes; raises SettingsError. A message never has the address, which may hold a password."""
    place = given.get("openlineage")
    if place is not None:
        scheme, has_scheme, _ = str(place).partition("://")
        if has_scheme and (scheme not in _SERVER_SCHEMES or not urlsplit(str(place)).hostname):
            raise SettingsError(
                "The setting openlineage is neither a file nor an address with http or https",
                f"Set {ENVIRONMENT['openlineage']} to a path such as lineage.jsonl, or to https://HOST/api/v1/lineage",
            )
        given["openlineage"] = str(place) if has_scheme else str((root / str(place)).resolve())
    private = str(given.get("openlineage_private", "false")).lower()
    if private not in ("true", "false"):
        raise SettingsError(
            f"The setting openlineage_private is {private[:20]!r}",
            f"Set {ENVIRONMENT['openlineage_private']} to true or false",
        )
    given["openlineage_private"] = private == "true"


def own_registry(home: Path) -> str:
    """Return the address of the registry in the home, which is used unless another one is set."""
    return f"sqlite:///{home / 'mlflow.db'}"


def is_server(registry_uri: str) -> bool:
    """Return whether the registry is an MLflow server, rather than a database that this installation opens."""
    return urlsplit(registry_uri).scheme in _SERVER_SCHEMES


def _check_registry(uri: str) -> None:
    """Raise SettingsError for an address that is no registry's; the message never contains a password."""
    try:
        parts = urlsplit(uri)
        scheme = parts.scheme.partition("+")[0]
        is_known = scheme in _REGISTRY_SCHEMES and (scheme not in _SERVER_SCHEMES or bool(parts.hostname))
    except ValueError:
        is_known = False
    if not is_known:
        shown = uri.partition("@")[2] or uri
        raise SettingsError(
            f"The setting registry_uri is not the address of an MLflow server or database ({shown!r})",
            f"Set {ENVIRONMENT['registry_uri']} to http://HOST:PORT of an MLflow server, or to a database such as "
            "sqlite:////absolute/path/mlflow.db",
        )


def _check_limits(given: Mapping[str, Any]) -> None:
    """Raise SettingsError for an invalid rate limit or Redis URL; the message never contains a password."""
    rate, url = given.get("global_limit"), given.get("limits_url")
    found = None if rate is None else rate_problem(str(rate))
    if found is not None:
        problem, fix = found
        raise SettingsError(f"The setting global_limit: {problem}", f"Correct {ENVIRONMENT['global_limit']}: {fix}")
    if url is not None and not str(url).startswith(LIMITS_SCHEMES):
        raise SettingsError(
            "The setting limits_url is not a Redis URL",
            f"Set {ENVIRONMENT['limits_url']} to a URL that starts with {' or '.join(LIMITS_SCHEMES)}",
        )
