"""Where a version is loaded from: again after it left the memory, or for the first time at its first request."""

from dataclasses import dataclass, replace

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.operations.model_runtime.loaded_model import Model
from modelops_pipelines.operations.model_runtime.loading import Proven
from modelops_pipelines.operations.model_runtime.prediction_paths import ABSENT
from modelops_pipelines.store.registry.version_classes import for_endpoint
from modelops_pipelines.store.state.release.model_versions import ModelVersion


@dataclass(frozen=True)
class Source:
    """A version as it is recorded, with the place of its files; nothing else is needed to load it, no database either.

    ``proven`` is what was found out of it when it proved itself; None until it has, in this worker. With ``has_served``
    it need not: a new release must not end a version that served before. With ``strict`` its classes must be known: it
    is being deployed.
    """

    version: ModelVersion
    proven: Proven | None = None
    has_served: bool = True
    strict: bool = False


def describe_unloaded(version: ModelVersion, spec: EndpointSpec) -> Model:
    """Return a version that was not loaded yet as a model of the endpoint: by its record, with a path that answers not.

    Where record and YAML differ it has no classes, and ``classes_fault`` says why.
    """
    try:
        return Model(for_endpoint(version, spec), ABSENT, spec)
    except ModelError as error:
        return Model(replace(version, classes=None, classes_from=None), ABSENT, spec, classes_fault=str(error))
