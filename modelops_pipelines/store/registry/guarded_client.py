"""MLflow's client whose failures to reach the registry are told as such, and do not take minutes."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import sqlalchemy as sa

from modelops_pipelines.store.registry.availability import not_permitted, unreachable

PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
"""MLflow's own 120 s and 7 retries keep a command waiting for minutes. What the user has set stays."""
_OF_THE_REQUEST = frozenset({
    "BAD_REQUEST", "INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST", "NOT_FOUND",
    "ENDPOINT_NOT_FOUND", "FEATURE_DISABLED", "INVALID_STATE", "RESOURCE_CONFLICT",
})  # fmt: skip
"""Codes by which a registry that works refuses what was asked."""
_OF_THE_LOGIN = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})


class GuardedClient:
    """``mlflow.MlflowClient``, each of whose methods raises RegistryError when the registry does not answer."""

    def __init__(self, uri: str) -> None:
        """Connect to the registry and tracking store at the address."""
        import mlflow  # takes seconds

        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        self._uri = uri
        with answering(uri):
            self._client = mlflow.MlflowClient(uri, uri)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return the client's method of that name, guarded."""
        method: Callable[..., Any] = getattr(self._client, name)

        @wraps(method)
        def guarded(*given: Any, **named: Any) -> Any:
            with answering(self._uri):
                return method(*given, **named)

        return guarded


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Turn the failures to reach the registry within the block into RegistryError; refusals stay MlflowException.

    Raises SettingsError for a registry that asks for another login.
    """
    import requests
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code in _OF_THE_REQUEST:
            raise
        if error.error_code in _OF_THE_LOGIN:
            raise not_permitted(uri) from error
        raise unreachable(uri, type(error.__cause__ or error).__name__) from error
    except (requests.RequestException, sa.exc.SQLAlchemyError) as error:
        raise unreachable(uri, type(error).__name__) from error
