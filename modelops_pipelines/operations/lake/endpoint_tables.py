"""The columns of an endpoint's tables: the declarations, with the features of its model's versions."""

from typing import cast

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.tables.columns import ColumnType, Table
from modelops_pipelines.core.tables.lake import STREAMS, SYSTEM_COLUMNS, inference_log, typed_for
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.store.stores import Stores


def feature_types(stores: Stores, spec: EndpointSpec) -> dict[str, ColumnType]:
    """Return every feature that any recorded version of the endpoint's model takes, with its column type."""
    types: dict[str, ColumnType] = {}
    for version in stores.deployments.versions(spec.model_name):
        types |= cast("dict[str, ColumnType]", version.inputs)
    return types


def known_features(stores: Stores) -> dict[str, list[str]]:
    """Return the features of each deployed endpoint's model, by the endpoint's name, for checking its YAML."""
    if not stores.settings.endpoints.is_dir():
        return {}
    deployed = {state.endpoint for state in stores.deployments.all_desired()}
    specs = [spec for spec in configured(stores.settings) if spec.name in deployed]
    found = {spec.name: list(feature_types(stores, spec)) for spec in specs}
    return {name: features for name, features in found.items() if features}


def log_table(stores: Stores, spec: EndpointSpec) -> Table:
    """Return the declaration of the endpoint's inference log."""
    return inference_log(spec.task, feature_types(stores, spec))


def stream_table(stores: Stores, spec: EndpointSpec, stream: str) -> Table:
    """Return the declaration of the table that a stream is ingested into."""
    return log_table(stores, spec) if stream == "predictions" else typed_for(STREAMS[stream], spec.task)


def check_inputs(stores: Stores, spec: EndpointSpec, inputs: dict[str, str]) -> None:
    """Refuse a version whose features clash with system columns, miss declared ones, or change a column's type."""
    clashes = sorted(set(inputs) & (SYSTEM_COLUMNS | {spec.label}))
    if clashes:
        raise SchemaError(
            f"Feature(s) {', '.join(clashes)} of model {spec.model_name!r} are named like a system column or the label",
            "Rename them in the model's signature",
        )
    for key, wanted in (("features", spec.features), ("segments", spec.segments)):
        missing = sorted(set(wanted) - set(inputs))
        if missing:
            raise SchemaError(
                f"Endpoint {spec.name!r} monitors feature(s) {', '.join(missing)} that the model does not take",
                f"Correct {key!r} in the endpoint's YAML, or the model's signature",
            )
    known = feature_types(stores, spec)
    changed = sorted(name for name in inputs if name in known and known[name] != inputs[name])
    if changed:
        types = ", ".join(f"{name} ({known[name]} before, {inputs[name]} now)" for name in changed)
        raise SchemaError(f"The type of feature(s) changed: {types}", "Keep the feature's type, or rename the feature")
