"""What a setting's value may be: numbers and their ranges, addresses, hosts, rates and retentions.

Each check raises SettingsError, which names the setting and what to set it to, and never a password.
"""

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from modelops_pipelines.core.access.hosts import read_hosts, read_origins
from modelops_pipelines.core.access.rates import rate_problem
from modelops_pipelines.core.errors import SettingsError
from modelops_pipelines.core.maintenance.retention_periods import retention_problem
from modelops_pipelines.store.setting_names import ENVIRONMENT

SERVER_SCHEMES = ("http", "https")
_REGISTRY_SCHEMES = ("sqlite", "file", "postgresql", "mysql", "mssql", *SERVER_SCHEMES)
LIMITS_SCHEMES = ("redis://", "rediss://", "unix://")
MOST_WORKERS = 256
NUMBERS = ("_port", "_seconds", "workers", "connections", "_kib", "_mib")
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


def number(name: str, value: object) -> float:
    """Return the number that a setting is set to: whole, unless it is one of seconds."""
    try:
        found = float(str(value))
    except ValueError:
        found = -1.0
    least, most, kind = _range(name)
    whole = not name.endswith("_seconds")
    if not least <= found <= most or (whole and found != int(found)):
        raise SettingsError(f"The setting {name} is {value!r}", f"Set {ENVIRONMENT[name]} to {kind}")
    return int(found) if whole else found


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


def check_retention(given: dict[str, Any]) -> None:
    """Raise SettingsError for a retention that is neither a duration nor never."""
    for name in [name for name in given if name.startswith("retain_")]:
        given[name] = str(given[name])
        wanted = retention_problem(given[name], _LEAST_KEPT)
        if wanted is not None:
            raise SettingsError(f"The setting {name} is {given[name]!r}", f"Set {ENVIRONMENT[name]} to {wanted}")


def check_retention_names(environment: Mapping[str, str]) -> None:
    """Raise SettingsError for a variable of a retention that there is not: what it was to keep would be deleted."""
    known = [variable for variable in ENVIRONMENT.values() if variable.startswith(_RETENTION)]
    unknown = next((name for name in sorted(environment) if name.startswith(_RETENTION) and name not in known), None)
    if unknown is not None:
        raise SettingsError(f"There is no setting {unknown}", f"Use one of: {', '.join(known)}")


def check_names(given: dict[str, Any]) -> None:
    """Raise SettingsError for a host or origin that is none; TOML may give a list of them."""
    for name, read, kind, example in (
        ("allowed_hosts", read_hosts, "host", "names, such as ml.example.com, or ml.example.com:8443"),
        ("widget_origins", read_origins, "origin", "origins of web pages, such as https://app.example.com"),
    ):
        found = given.get(name)
        if found is None:
            continue
        given[name] = text = ", ".join(map(str, found)) if isinstance(found, list) else str(found)
        try:
            read(text)
        except ValueError as error:
            raise SettingsError(
                f"The setting {name} names {str(error)[:80]!r}, which is no {kind}",
                f"Set {ENVIRONMENT[name]} to {example}",
            ) from error


def check_links(given: Mapping[str, Any]) -> None:
    """Raise SettingsError for an address of pages that is none."""
    for name in ("public_url", "dagster_url"):
        url = given.get(name)
        if url is not None and urlsplit(str(url)).scheme not in SERVER_SCHEMES:
            raise SettingsError(
                f"The setting {name} is no address of web pages ({str(url)[:80]!r})",
                f"Set {ENVIRONMENT[name]} to an address such as https://ml.example.com",
            )


def check_openlineage(given: dict[str, Any], root: Path) -> None:
    """Read where lineage goes; raises SettingsError. A message never has the address, which may hold a password."""
    place = given.get("openlineage")
    if place is not None:
        scheme, has_scheme, _ = str(place).partition("://")
        if has_scheme and (scheme not in SERVER_SCHEMES or not urlsplit(str(place)).hostname):
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


def check_registry(uri: str) -> None:
    """Raise SettingsError for an address that is no registry's; the message never contains a password."""
    try:
        parts = urlsplit(uri)
        scheme = parts.scheme.partition("+")[0]
        is_known = scheme in _REGISTRY_SCHEMES and (scheme not in SERVER_SCHEMES or bool(parts.hostname))
    except ValueError:
        is_known = False
    if not is_known:
        shown = uri.partition("@")[2] or uri
        raise SettingsError(
            f"The setting registry_uri is not the address of an MLflow server or database ({shown!r})",
            f"Set {ENVIRONMENT['registry_uri']} to http://HOST:PORT of an MLflow server, or to a database such as "
            "sqlite:////absolute/path/mlflow.db",
        )


def check_limits(given: Mapping[str, Any]) -> None:
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
