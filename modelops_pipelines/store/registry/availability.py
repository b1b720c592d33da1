"""Whether the registry answers, and the error when it does not. Without MLflow, which takes seconds to import."""

import sqlite3
import urllib.error
import urllib.request
from contextlib import closing

import sqlalchemy as sa

from modelops_pipelines.core.errors import RegistryError, SettingsError
from modelops_pipelines.store.settings import is_server

PROBE_SECONDS = 3.0


def registry_fault(uri: str, seconds: float = PROBE_SECONDS) -> str | None:
    """Return the name of the error when the registry does not answer within so many seconds, else None.

    A server that answers with an error of its own, such as one that asks for a login, does answer.
    """
    try:
        if uri.startswith("sqlite:"):
            path = sa.make_url(uri).database
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=seconds)) as connected:
                connected.execute("SELECT 1 FROM registered_models LIMIT 1")
        elif is_server(uri):
            with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=seconds):  # noqa: S310 - as set
                pass
    except urllib.error.HTTPError as error:
        return None if error.code < 500 else f"HTTP {error.code}"  # noqa: PLR2004 - HTTP's own classes
    except (OSError, ValueError, urllib.error.URLError, sqlite3.Error) as error:
        return type(getattr(error, "reason", None) or error).__name__
    return None


def unreachable(uri: str, why: str) -> RegistryError:
    """Return the error of a registry that does not answer."""
    shown = shown_uri(uri)
    return RegistryError(
        f"The model registry {shown} does not answer ({why})",
        "Start it, or correct MODELOPS_REGISTRY_URI; serving and rollbacks go on without it",
    )


def not_permitted(uri: str) -> SettingsError:
    """Return the error of a registry that asks for a login, or for one that may do more."""
    return SettingsError(
        f"The model registry {shown_uri(uri)} does not permit this to whom this process signs in as, if it does",
        "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, for this process",
    )


def shown_uri(uri: str) -> str:
    """Return the registry's address without a password."""
    try:
        return sa.make_url(uri).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return uri
