"""The public names: the component that YAML files name, and what a trainer is given.

``type: modelops_pipelines.ModelEndpoint`` in an endpoint's YAML, ``from modelops_pipelines import TrainingContext`` in
a trainer. Everything else is imported by its address. Layers import downwards only, from ``cli``, ``gateway`` and
``definitions`` to ``core``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelops_pipelines.components.model_endpoint import ModelEndpoint
    from modelops_pipelines.core.improve.training_context import TrainingContext

__all__ = ["ModelEndpoint", "TrainingContext"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for, and never before: the component imports Dagster."""
    if name == "ModelEndpoint":
        from modelops_pipelines.components.model_endpoint import ModelEndpoint

        return ModelEndpoint
    if name == "TrainingContext":
        from modelops_pipelines.core.improve.training_context import TrainingContext

        return TrainingContext
    raise AttributeError(name)
