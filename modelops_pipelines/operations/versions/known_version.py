"""Returns the record of a version of an endpoint's model, whoever trained it."""

import logging
from dataclasses import replace

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import RegistryError
from modelops_pipelines.core.models.classes import TAG, missing_classes
from modelops_pipelines.operations.endpoints.served_here import require_served_here
from modelops_pipelines.operations.lake.endpoint_tables import check_inputs, check_types, refuse_clashes
from modelops_pipelines.operations.versions.copies import clean_copies, with_files
from modelops_pipelines.operations.versions.signed_versions import fetch_signature
from modelops_pipelines.store.state.release.deployments import required_version
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

_LOG = logging.getLogger("modelops")


def known_version(stores: Stores, spec: EndpointSpec, version: str, *, fits: bool = True) -> ModelVersion:
    """Return the version, read from the registry when it is not recorded here yet.

    With ``fits`` it fits the endpoint's tables as they are now. Raises UnknownError when the registry has no such
    version, SchemaError when its inputs clash with the endpoint.
    """
    require_served_here(spec, "a version")
    found = stores.deployments.version(spec.model_name, version)
    if found is not None:
        found = with_files(stores, found)
    if found is None:
        from modelops_pipelines.operations.drift.references import (
            adopt_reference,  # loads the profiles' code, which most commands do not need
        )

        found = stores.registry.describe(spec.model_name, version)
        if fits:
            check_inputs(stores, spec, found.inputs)
        adopt_reference(stores, found)
        stores.deployments.record_version(found)
        clean_copies(stores)
        fetch_signature(stores, spec, found)
        return required_version(stores.deployments, spec.model_name, version)
    if fits:
        refuse_clashes(spec, found.inputs)  # another endpoint of the model may have had it recorded
        check_types(stores, spec, found.inputs)
    fetch_signature(stores, spec, found)
    if found.classes_from == TAG or missing_classes(
        spec.task, version, found.classes or spec.classes or None, found.output
    ):
        _read_tag_again(stores, found)
    return required_version(stores.deployments, spec.model_name, version)


def _read_tag_again(stores: Stores, found: ModelVersion) -> None:
    """Record the classes of the version's tag, which may have been set or corrected since the version was recorded.

    While the registry does not answer, those that are recorded hold.
    """
    try:
        tagged = stores.registry.tagged_classes(found.model_name, found.version)
    except RegistryError as error:
        _LOG.warning("The classes of version %s are those recorded before: %s", found.version, error.message)
        return
    if tagged != found.classes:
        source = None if tagged is None else TAG
        stores.deployments.record_classes(replace(found, classes=tagged, classes_from=source))
