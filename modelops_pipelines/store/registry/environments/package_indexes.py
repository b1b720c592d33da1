"""The package indexes that uv asks: those that pip asks here, unless uv was given its own.

Their addresses and passwords stay in the environment of the one process that installs; they are written nowhere.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping

_SECTIONS = ("global", "install", ":env:")
"""Where pip's settings for ``pip install`` stand, later ones before earlier ones."""
_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
}
_COMMAS = "UV_FIND_LINKS"
_OWN = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
"""With one of these set, uv was told where to look, and pip's settings are not read."""
_SECONDS = 30.0


def index_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables by which uv asks the indexes that pip is configured with, read from ``pip config``."""
    if any(environment.get(name) for name in _OWN):
        return {}
    return uv_variables(_pip_settings(environment))


def uv_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings, as ``pip config list`` names them, as variables for uv.

    As pip does, uv takes the best release of all indexes, where there are several.
    """
    found: dict[str, str] = {}
    for section in _SECTIONS:
        for key, variable in _VARIABLES.items():
            value = settings.get(f"{section}.{key}")
            if value:
                found[variable] = (("," if variable == _COMMAS else " ").join(value.split())) or found.get(variable, "")
    if "UV_INDEX" in found:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if any(settings.get(f"{section}.no-index") in ("1", "true", "yes", "on") for section in _SECTIONS):
        found["UV_NO_INDEX"] = "1"
    return found


def _pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what pip is configured with; nothing where there is no pip, or it fails."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    try:
        told = subprocess.run(command, env=dict(environment), capture_output=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    found = {}
    for line in told.stdout.decode(errors="replace").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name] = str(_literal(value))
    return found


def _literal(value: str) -> object:
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
