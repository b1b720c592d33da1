"""The columns of an endpoint's tables: the declarations, with the features of its model's versions."""

from collections.abc import Iterable, Mapping
from typing import cast

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.models.input_forms import JSON
from modelops_pipelines.core.release.event_log import served_versions
from modelops_pipelines.core.tables.columns import ColumnType, Table
from modelops_pipelines.core.tables.feature_columns import feature_of, is_named_like, same_but_capitals, spellings
from modelops_pipelines.core.tables.lake import INFERENCE_LOG, STREAMS, SYSTEM_COLUMNS, inference_log, typed_for
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.store.stores import Stores


def feature_types(stores: Stores, spec: EndpointSpec) -> dict[str, ColumnType]:
    """Return every feature that any recorded version of the endpoint's model takes, with its column type.

    Where versions differ, the type is that of those that serve or served; among others the newest version's.
    """
    types: dict[str, ColumnType] = {}
    differ = False
    for version in stores.deployments.versions(spec.model_name):
        inputs = cast("dict[str, ColumnType]", version.inputs)
        differ = differ or any(types.get(name, kind) != kind for name, kind in inputs.items())
        types |= inputs
    return types | _served_types(stores, spec) if differ else types


def _served_types(stores: Stores, spec: EndpointSpec) -> dict[str, ColumnType]:
    """Return the features of the versions that serve or served on the endpoint; no other version fixes a type."""
    served = served_versions(stores.deployments.events(spec.name))
    types: dict[str, ColumnType] = {}
    for version in stores.deployments.versions(spec.model_name):
        if version.version in served:
            types |= cast("dict[str, ColumnType]", version.inputs)
    return types


def logged_types(stores: Stores, spec: EndpointSpec) -> dict[str, ColumnType]:
    """Return the features that the endpoint's log has values of; none without a log."""
    import pyarrow as pa

    from modelops_pipelines.store.lake.arrow_schemas import ARROW  # loads Arrow, which most commands do not need

    delta = stores.lake.table(spec.name, INFERENCE_LOG.name)
    if delta is None:
        return {}
    kinds = {str(kind): name for name, kind in ARROW.items() if name != "json"}
    columns = pa.schema(delta.schema().to_arrow())
    return {one.name: kinds[str(one.type)] for one in columns if one.name not in SYSTEM_COLUMNS}


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


def check_inputs(stores: Stores, spec: EndpointSpec, inputs: Mapping[str, str]) -> None:
    """Refuse a version whose features clash with others or the label, miss declared ones, or change a column's type.

    Raises SchemaError. Only versions that serve or served, and the log, fix a type.
    """
    refuse_clashes(spec, inputs, feature_types(stores, spec))
    for key, wanted in (("features", spec.features), ("segments", spec.segments)):
        missing = sorted(set(wanted) - set(inputs))
        if missing:
            raise SchemaError(
                f"Endpoint {spec.name!r} monitors feature(s) {', '.join(missing)} that the model does not take",
                f"Correct {key!r} in the endpoint's YAML, or the model's signature",
            )
        nested = sorted(name for name in wanted if inputs[name] == JSON)
        if nested:
            raise SchemaError(
                f"Endpoint {spec.name!r} monitors feature(s) {', '.join(nested)}, whose values are no numbers, text, "
                "booleans or times: they are logged and not profiled",
                f"Remove them from {key!r} in the endpoint's YAML",
            )
    check_types(stores, spec, inputs)


def profiled_types(stores: Stores, spec: EndpointSpec) -> dict[str, ColumnType]:
    """Return the features of ``feature_types`` that can be profiled: those with a column of plain values."""
    return {name: kind for name, kind in feature_types(stores, spec).items() if kind != JSON}


def refuse_clashes(spec: EndpointSpec, features: Iterable[str], known: Iterable[str] = ()) -> None:
    """Raise SchemaError for a feature that is named like the label, or like another but for capitals.

    The lake does not tell such columns apart. ``known`` are the columns that the log has.
    """
    columns = list(features)
    mine = next((name for name in columns if is_named_like(name, spec.label)), None)
    if mine is not None:
        raise SchemaError(
            f"Feature(s) {feature_of(mine)} of model {spec.model_name!r} are named like the label",
            "Rename them in the data, or in the model's signature; train no model on the label itself",
        )
    alike = same_but_capitals(columns, spellings(known))
    if alike is not None:
        raise SchemaError(
            f"Features {alike[0]!r} and {alike[1]!r} of model {spec.model_name!r} differ in capitals only, and the log "
            "cannot keep them apart",
            "Rename one of them in the model's signature",
        )


def check_types(stores: Stores, spec: EndpointSpec, inputs: Mapping[str, str]) -> None:
    """Refuse a version that changes the type of a feature of a version that serves or served, or of the log."""
    known = _served_types(stores, spec)
    if set(inputs) - set(known):
        logged = logged_types(stores, spec)
        texts = {name for name, kind in logged.items() if kind == "text" and inputs.get(name) == JSON}
        known = {**{name: kind for name, kind in logged.items() if name not in texts}, **known}
    changed = sorted(name for name in inputs if name in known and known[name] != inputs[name])
    if changed:
        types = ", ".join(f"{name} ({known[name]} before, {inputs[name]} now)" for name in changed)
        raise SchemaError(
            f"The type of feature(s) changed since a version of endpoint {spec.name!r} served: {types}",
            "Keep the feature's type, or rename the feature",
        )
