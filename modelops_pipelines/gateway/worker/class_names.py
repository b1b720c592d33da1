"""The classes that an endpoint's answers and labels are named by, in one worker; they may be stated while it serves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.models.classes import IN_CONFLICT, how_to_state, match_class, why_unknown
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.store.registry.version_classes import for_endpoint
from modelops_pipelines.store.state.release.model_versions import ModelVersion

Recorded = Mapping[str, Sequence[str] | None]


def label_classes(served: ServedEndpoint) -> list[str] | None:
    """Return the classes that a label may name: those of every recorded version, as an old prediction may have one.

    While nothing answers (the endpoint is stopped or deleted) these are all there is. None while a version that answers
    has unknown classes: then any label is accepted, and the response says so.
    """
    answering = [served.version_of(one.version) for one in served.state.answering]
    if any(version is None or version.classes is None for version in answering):
        return list(served.spec.classes) or None
    if not answering:
        return list(dict.fromkeys([*served.spec.classes, *served.recorded_classes])) or None
    current = [name for version in answering if version for name in version.classes or ()]
    return list(dict.fromkeys([*current, *served.spec.classes, *served.recorded_classes]))


def class_of_label(served: ServedEndpoint, given: object) -> str:
    """Return the class that a label names, as predictions are logged; raises InputError for one that is no class."""
    name, known = class_name(given), label_classes(served)
    if known is None and not (isinstance(given, float) and not math.isfinite(given)):
        return name
    if known is None:
        raise InputError(f"The label {name!r} is not a class", "Send the class as a text or a finite number")
    found = match_class(given, known)
    if found is None:
        shown = ", ".join(known)[:300]
        raise InputError(f"The label {name[:60]!r} is not a class of the model", f"Send one of: {shown}")
    return found


def why_unchecked(served: ServedEndpoint) -> str | None:
    """Return why labels are not checked against the classes, with what to do; None where they are."""
    if served.spec.task == "regression" or label_classes(served) is not None:
        return None
    versions = (served.version_of(one.version) for one in served.state.answering)
    unknown = next((version.version for version in versions if version and version.classes is None), None)
    if unknown is None:
        return "No version with known classes is recorded: any label is accepted"
    return f"Any label is accepted: {why_unknown(unknown)}. {how_to_state(unknown)}"


def with_recorded_classes(served: ServedEndpoint, recorded: Recorded) -> ServedEndpoint:
    """Return the endpoint with the classes of every recorded version of its model; the same one where it has them."""
    codes = [str(place) for place in range(len(served.spec.classes))]
    own = [names for names in recorded.values() if names is not None and list(names) != codes]
    found = tuple(dict.fromkeys(name for names in own for name in names))
    return served if found == served.recorded_classes else replace(served, recorded_classes=found)


def is_behind(served: ServedEndpoint, recorded: Recorded) -> bool:
    """Return whether the classes of a loaded version were recorded after it was loaded."""
    models = [batcher.model for batcher in served.loaded.values()]
    unnamed = [model.version.version for model in models if model.version.classes is None and not model.classes_fault]
    return any(recorded.get(version) is not None for version in unnamed)


def _named(loaded: ModelVersion, known: ModelVersion, spec: EndpointSpec) -> ModelVersion:
    """Return a loaded version with its classes as recorded and stated; the kind of its answers was settled at load."""
    return replace(for_endpoint(known, spec), output=loaded.output)


def _recorded(version: ModelVersion, known: ModelVersion) -> ModelVersion:
    """Return a version with its classes as they are recorded now."""
    return replace(version, classes=known.classes, classes_from=known.classes_from, output=known.output)


def needs_loading(served: ServedEndpoint) -> bool:
    """Return whether only loading again shows what other classes change.

    So for a version that differs from its own record, and for one that did not prove itself with those it has.
    """
    models = [batcher.model for batcher in served.loaded.values()]
    return any(model.version.classes_from == IN_CONFLICT or model.unproven is not None for model in models)


def renamed(served: ServedEndpoint, spec: EndpointSpec, versions: Sequence[ModelVersion]) -> ServedEndpoint:
    """Return the endpoint with its loaded versions naming their answers as ``spec`` and their records say.

    Nothing is loaded again. Raises ModelError when a version that answers and ``spec`` differ; then nothing changes.
    """
    known = {version.version: version for version in versions}
    answering = {one.version for one in served.state.answering}
    models = {
        name: replace(
            batcher.model, spec=spec, version=_named(batcher.model.version, known[name], spec), classes_fault=None
        )
        for name, batcher in served.loaded.items()
        if name in answering
    }
    for name, model in models.items():
        batcher = served.loaded[name]
        batcher.model = model
        if batcher.source is not None:  # loaded again, it is to be named in the same way
            batcher.source = replace(
                batcher.source, version=_recorded(batcher.source.version, known[name]), proven=None
            )
    return replace(served, spec=spec, loaded={name: served.loaded[name] for name in models})
