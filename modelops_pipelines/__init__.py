"""Empty but for the component's short name, which YAML files use: ``type: modelops_pipelines.ModelEndpoint``."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelops_pipelines.components.model_endpoint import ModelEndpoint

__all__ = ["ModelEndpoint"]


def __getattr__(name: str) -> Any:
    """Import the component when Dagster asks for it, and never before: it imports Dagster."""
    if name == "ModelEndpoint":
        from modelops_pipelines.components.model_endpoint import ModelEndpoint

        return ModelEndpoint
    raise AttributeError(name)
