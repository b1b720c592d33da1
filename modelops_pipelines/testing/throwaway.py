"""A gateway in a home of its own, with a client to it, that ends with the block."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelops_pipelines.client.answers.endpoints import EndpointDetails
from modelops_pipelines.client.answers.releases import Change
from modelops_pipelines.client.clients import Client
from modelops_pipelines.client.connection.errors import NotFoundError
from modelops_pipelines.core.errors import ConflictError, InputError, SettingsError
from modelops_pipelines.platforms.local import running
from modelops_pipelines.store.settings import LOOPBACK, Settings, load_settings, own_registry
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

START_SECONDS = 120.0
_OWN = ("MODELOPS_", "MLFLOW_", "DAGSTER_")
_NO_CHANNELS = "channels: {}\n"


@dataclass(frozen=True)
class ThrowawayGateway:
    """A running gateway: its address, a client to it, and the stores of its home."""

    url: str
    client: Client
    stores: Stores

    def deploy(self, endpoint: str, model: Any, example: "pd.DataFrame | None" = None, *, share: int = 100) -> Change:
        """Register a model for the endpoint, deploy it past the gate, and return when it serves.

        ``model`` is the folder of a saved MLflow model, or a fitted estimator with an ``example``: rows of its features
        as a DataFrame. Raises the errors of a real deploy: what production would refuse is refused.
        """
        found = self._endpoint(endpoint)
        if found.model_name is None:
            raise ConflictError(f"Endpoint {endpoint!r} is served elsewhere", "Deploy to one that has a model_name")
        if isinstance(model, str | Path):
            version = self.stores.registry.register_folder(found.model_name, _checked(Path(model)))
        elif example is not None:
            version = _register_estimator(self.stores, found, found.model_name, model, example)
        else:
            raise InputError("A fitted model comes without an example", "Give rows of its features as example=FRAME")
        return self.client.deploy(endpoint, version, share=share, reason="test", force=True)

    def _endpoint(self, endpoint: str) -> EndpointDetails:
        """Return the endpoint; raises SettingsError where its file has a fault, NotFoundError where there is none."""
        try:
            return self.client.endpoint(endpoint)
        except NotFoundError as error:
            problems = self.client.health().checks["configurations"]["problems"]
            if not problems:
                raise
            told = "; ".join(f"{name}: {why}" for name, why in problems.items())
            raise SettingsError(f"{error.message}; there are faults ({told})", "Correct these files") from error


@contextmanager
def throwaway_gateway(project: Path, folder: Path) -> Iterator[ThrowawayGateway]:
    """Run a gateway of the project's endpoints, with a new home in ``folder``, until the block ends.

    Raises SettingsError or OnboardingError for a project that is faulty, NotReadyError for one that does not start.
    """
    project = project.resolve()
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith(_OWN)]:
            patched.delenv(name)  # neither another home nor a key of the developer's
        settings = _settings(project, folder)
        with running(settings, project) as platform:
            platform.wait([platform.start_gateway()], START_SECONDS)
            with Client(settings.gateway_url) as client:
                yield ThrowawayGateway(settings.gateway_url, client, Stores(settings))


def _settings(project: Path, folder: Path) -> Settings:
    """Return the project's settings with a home of its own, and nobody to tell anything."""
    home, alerting = folder / "home", folder / "alerting.yaml"
    alerting.write_text(_NO_CHANNELS)
    return replace(
        load_settings(project),
        home=home,
        state_url=f"sqlite:///{home / 'state.db'}",
        registry_uri=own_registry(home),
        alerting=alerting,
        host=LOOPBACK,
        gateway_port=_free_port(),
        workers=1,
        openlineage=str(folder / "lineage.jsonl"),
    )


def _free_port() -> int:
    with socket.socket() as held:
        held.bind((LOOPBACK, 0))
        port: int = held.getsockname()[1]
        return port


def _checked(folder: Path) -> Path:
    """Return the folder; raises InputError where it holds no model."""
    if (folder / "MLmodel").is_file():
        return folder
    raise InputError(f"{folder} is no MLflow model: it has no file MLmodel", "Save one by MLflow's save_model")


def _register_estimator(
    stores: Stores, found: EndpointDetails, model_name: str, model: Any, example: "pd.DataFrame"
) -> str:
    registry = stores.registry
    prepared = registry.prepare(model, example, found.task, allow_pickle=False)
    logged = registry.log(prepared, model_name=model_name, experiment=found.name, training_set="none", trainer="none")
    return logged.version
