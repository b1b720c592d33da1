"""Where this installation keeps things and listens: environment, then the project's pyproject.toml, then defaults."""

import os
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelops_pipelines.core.errors import SettingsError

ENVIRONMENT = {
    "home": "MODELOPS_HOME",
    "endpoints": "MODELOPS_ENDPOINTS",
    "state_url": "MODELOPS_STATE_URL",
    "registry_uri": "MODELOPS_REGISTRY_URI",
    "host": "MODELOPS_HOST",
    "gateway_port": "MODELOPS_GATEWAY_PORT",
    "dagster_port": "MODELOPS_DAGSTER_PORT",
    "mlflow_port": "MODELOPS_MLFLOW_PORT",
    "seal_after_seconds": "MODELOPS_SEAL_AFTER_SECONDS",
}
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Settings:
    """The settings of one installation; see docs/configuration.md for what each one does."""

    home: Path
    endpoints: Path
    state_url: str
    registry_uri: str
    host: str = LOOPBACK
    gateway_port: int = 8000
    dagster_port: int = 3000
    mlflow_port: int = 5000
    seal_after_seconds: float = 10.0

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
        """Where MLflow keeps models' files."""
        return self.home / "mlartifacts"

    @property
    def reports(self) -> Path:
        """Where drift reports for people are kept."""
        return self.home / "reports"

    @property
    def gateway_url(self) -> str:
        """The gateway's address, for the CLI and the demo."""
        return f"http://{self.host}:{self.gateway_port}"

    def environment(self) -> dict[str, str]:
        """Return the variables that give a child process these same settings."""
        return {variable: str(getattr(self, name)) for name, variable in ENVIRONMENT.items()}


def load_settings(folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the project in the folder (the current one by default).

    Raises SettingsError for an unknown key, a value of the wrong type, or a pyproject.toml that does not parse.
    """
    root = (folder or Path.cwd()).resolve()
    given: dict[str, Any] = _from_pyproject(root / "pyproject.toml")
    env = os.environ if environment is None else environment
    given |= {name: env[variable] for name, variable in ENVIRONMENT.items() if env.get(variable)}
    home = (root / str(given.pop("home", ".modelops"))).resolve()
    endpoints = (root / str(given.pop("endpoints", "endpoints"))).resolve()
    state_url = str(given.pop("state_url", f"sqlite:///{home / 'state.db'}"))
    registry_uri = str(given.pop("registry_uri", f"sqlite:///{home / 'mlflow.db'}"))
    numbers = {name: _number(name, given.pop(name)) for name in list(given) if name.endswith(("_port", "_seconds"))}
    rest: dict[str, Any] = {**given, **numbers}
    return Settings(home, endpoints, state_url, registry_uri, **rest)


def prepare_home(settings: Settings) -> None:
    """Make the home's folders, for this user only; raises SettingsError when the home cannot be written."""
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (settings.lake, settings.spool, settings.artifacts, settings.reports):
            folder.mkdir(exist_ok=True)
        probe = settings.home / f".write-probe-{secrets.token_hex(8)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SettingsError(
            f"The home {settings.home} cannot be written ({error.strerror})",
            "Give this user write access to it, or set MODELOPS_HOME to another folder",
        ) from error


def _from_pyproject(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        table = tomllib.loads(path.read_text()).get("tool", {}).get("modelops", {})
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} does not parse ({error})", "Correct the file") from error
    for key in table:
        if key not in ENVIRONMENT:
            known = ", ".join(ENVIRONMENT)
            raise SettingsError(f"{path}: [tool.modelops] has no setting {key!r}", f"Use one of: {known}")
    return dict(table)


def _number(name: str, value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    whole = name.endswith("_port")
    if number < 0 or (whole and (number != int(number) or number > 65535)):  # noqa: PLR2004 - the last port
        kind = "a port" if whole else "a number of seconds"
        raise SettingsError(f"The setting {name} is {value!r}", f"Set {ENVIRONMENT[name]} to {kind}")
    return int(number) if whole else number
