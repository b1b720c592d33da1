"""The versions and features of an endpoint that is served elsewhere, as its log has taught them.

They are recorded like versions of ours, without files: so each table knows its features and their types. A feature has
one type for ever, the first that was recorded. Needs no Arrow: a gateway calls it.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.output_kinds import LABELS
from modelops_pipelines.core.tables.feature_columns import same_but_capitals, spellings
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

NO_FILES = "elsewhere"
MOST_FEATURES, MOST_VERSIONS = 2000, 1000


def known_types(stores: Stores, spec: EndpointSpec) -> dict[str, str]:
    """Return the features of the endpoint's log with their types, in the order in which they were recorded."""
    types: dict[str, str] = {}
    for version in stores.deployments.versions(spec.model_name):
        types = {**version.inputs, **types}
    return types


def learn(stores: Stores, spec: EndpointSpec, versions: Collection[str], types: Mapping[str, str]) -> dict[str, str]:
    """Record versions with their features; return the types that hold, which may be earlier ones than those given.

    Raises InputError for more versions or features than an endpoint may have, and for a feature that differs from
    another in capitals only.
    """
    with exclusive(stores.settings.home / "locks" / f"{spec.name}.versions.lock", f"the versions of {spec.name}"):
        recorded = {one.version: one for one in stores.deployments.versions(spec.model_name)}
        before = known_types(stores, spec)
        held = {**types, **before}
        _check(spec, len(held), len({*recorded, *versions}))
        _check_names(spec, types, before)
        wanted = {name: held[name] for name in types}
        for version in sorted(versions):
            known = recorded.get(version)
            if known is None:
                stores.deployments.record_version(_made(stores, spec, version, wanted))
            elif set(wanted) - set(known.inputs):
                stores.deployments.record_version(replace(known, inputs={**known.inputs, **wanted}))
        return held


def _made(stores: Stores, spec: EndpointSpec, version: str, types: dict[str, str]) -> ModelVersion:
    classes = list(spec.classes) or None
    return ModelVersion(spec.model_name, version, NO_FILES, types, classes, None, None, stores.now(), output=LABELS)


def _check_names(spec: EndpointSpec, types: Collection[str], known: Collection[str]) -> None:
    alike = same_but_capitals(types, spellings(known))
    if alike is not None:
        raise InputError(
            f"The features {alike[0][:80]!r} and {alike[1][:80]!r} of endpoint {spec.name!r} differ in capitals only, "
            "and the log cannot keep them apart",
            f"Write {alike[0][:80]!r} in all of them",
        )


def _check(spec: EndpointSpec, features: int, versions: int) -> None:
    if features > MOST_FEATURES:
        raise InputError(
            f"Endpoint {spec.name!r} would have {features:,} features, and may have {MOST_FEATURES:,}",
            "List those that matter, as 'features' in the mapping",
        )
    if versions > MOST_VERSIONS:
        raise InputError(
            f"Endpoint {spec.name!r} would have {versions:,} versions, and may have {MOST_VERSIONS:,}",
            "Map 'version' to a column that names the model's version, not each request",
        )
