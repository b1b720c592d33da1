"""What an endpoint lacks so that its quality can be measured, as its listing says."""

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.models.classes import missing_classes
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.store.registry.version_classes import for_endpoint
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores


def to_add(stores: Stores, spec: EndpointSpec, state: DesiredState | None) -> str | None:
    """Return what to add for the versions that answer, or None when nothing is missing."""
    versions = [] if state is None else [one.version for one in state.answering]
    known = [stores.deployments.version(spec.model_name, version) for version in versions]
    missing = [_missing(spec, one) for one in known if one]
    return next((text for text in missing if text), None)


def _missing(spec: EndpointSpec, version: ModelVersion) -> str | None:
    try:
        names = for_endpoint(version, spec).classes
    except ModelError as error:
        return str(error)
    return missing_classes(spec.task, version.version, names, version.output)
