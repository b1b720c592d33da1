"""The public names: the component that YAML files name, what a trainer is given, and the gateway's clients.

``type: modelops_pipelines.ModelEndpoint`` in an endpoint's YAML, ``from modelops_pipelines import TrainingContext`` in
a trainer, ``from modelops_pipelines import Client`` in programs and notebooks. Everything else is imported by its
address. Layers import downwards only, from ``cli``, ``gateway`` and ``definitions`` to ``core``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelops_pipelines.client.clients import AsyncClient, Client
    from modelops_pipelines.components.model_endpoint import ModelEndpoint
    from modelops_pipelines.core.improve.training.context import TrainingContext

__all__ = ["AsyncClient", "Client", "ModelEndpoint", "TrainingContext"]
_PLACES = {
    "AsyncClient": "modelops_pipelines.client.clients",
    "Client": "modelops_pipelines.client.clients",
    "ModelEndpoint": "modelops_pipelines.components.model_endpoint",
    "TrainingContext": "modelops_pipelines.core.improve.training.context",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for, and never before: the component imports Dagster."""
    if name not in _PLACES:
        raise AttributeError(name)
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    """Return the names with those that are not imported yet: ``dg`` finds the component among them."""
    return sorted({*globals(), *_PLACES})
