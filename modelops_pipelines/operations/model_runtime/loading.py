"""Loads a version for serving; what was found out of it lets another process serve the same files in the same way."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.models.classes import IN_CONFLICT
from modelops_pipelines.operations.model_runtime.answers import answer_columns
from modelops_pipelines.operations.model_runtime.loaded_model import Model
from modelops_pipelines.operations.model_runtime.memory import anonymous_bytes
from modelops_pipelines.operations.model_runtime.model_inputs import form_of_files
from modelops_pipelines.operations.model_runtime.parameters import parameters_of
from modelops_pipelines.operations.model_runtime.prediction_paths import PredictionPath, named_path
from modelops_pipelines.operations.model_runtime.probes import Merging
from modelops_pipelines.operations.model_runtime.proof import as_before, prepare
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.registry.version_classes import for_endpoint, learned
from modelops_pipelines.store.state.release.model_versions import ModelVersion

_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class Proven:
    """What was found out of a version when it proved itself, without the loaded model.

    ``path``, ``merging`` and ``milliseconds`` are those of its prediction path. ``classes``, ``classes_from`` and
    ``own_output`` are what its record and the model itself say; ``output`` is the kind of its answers on the endpoint.
    ``classes_fault`` is why its classes count as unknown: two of their sources differ. ``in_conflict`` is whether these
    are its record and the loaded model itself, which no change of the YAML mends. ``unproven`` is why it did not prove
    itself, of a version that has served before. ``bytes`` is the memory that it takes: by how much the process grew
    that loaded it to prove itself, or all that is private to the process in which it answers. ``absent`` are the
    optional inputs without which it answers too.
    """

    path: str
    merging: Merging | None
    milliseconds: float | None
    classes: list[str] | None
    classes_from: str | None
    own_output: str
    output: str
    classes_fault: str | None = None
    in_conflict: bool = False
    unproven: str | None = None
    bytes: int = 0
    absent: tuple[str, ...] = ()

    def learned(self, version: ModelVersion) -> ModelVersion:
        """Return the version as it is to be recorded: with what the model itself says of its classes."""
        return replace(version, classes=self.classes, classes_from=self.classes_from, output=self.own_output)

    def model(self, version: ModelVersion, spec: EndpointSpec, path: PredictionPath) -> Model:
        """Return the version as a model of the endpoint that predicts by this path."""
        named = replace(self.named(version, spec), output=self.output)
        parameters = parameters_of(version.folder)
        form = form_of_files(version.folder).allowing(self.absent)
        outputs = answer_columns(version, spec.task) if spec.task == "regression" else None
        return Model(named, path, spec, parameters, self.classes_fault, self.unproven, self.bytes, form, outputs)

    def named(self, version: ModelVersion, spec: EndpointSpec) -> ModelVersion:
        """Return the version with its classes on the endpoint; without any where their sources differ."""
        own = self.learned(version)
        if self.classes_fault is None:
            return for_endpoint(own, spec)
        return _without_classes(own, in_conflict=self.in_conflict)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Proven":
        """Return it from plain values; raises LookupError, TypeError or ValueError for others."""
        merging, milliseconds = values["merging"], values["milliseconds"]
        classes, source, fault = values["classes"], values["classes_from"], values["classes_fault"]
        return cls(
            path=str(values["path"]),
            merging=None if merging is None else Merging(int(merging["most"]), int(merging["pad"])),
            milliseconds=None if milliseconds is None else float(milliseconds),
            classes=None if classes is None else [str(name) for name in classes],
            classes_from=None if source is None else str(source),
            own_output=str(values["own_output"]),
            output=str(values["output"]),
            classes_fault=None if fault is None else str(fault),
            in_conflict=bool(values["in_conflict"]),
            unproven=None if values["unproven"] is None else str(values["unproven"]),
            bytes=int(values["bytes"]),
            absent=tuple(str(name) for name in values.get("absent", ())),
        )


def load_and_prove(
    version: ModelVersion, spec: EndpointSpec, *, strict: bool = True, has_served: bool = False
) -> tuple[Model, Proven]:
    """Load a version in this process and have it prove that it answers; raises ModelError.

    Where the sources of its classes differ, it is refused if ``strict``; a version that was live before is not: it
    answers without classes, and ``classes_fault`` has the reason. One that ``has_served`` need not prove itself: a new
    release must not end it, nor refuse a rollback to it.
    """
    before = anonymous_bytes()
    loaded = load_model(version, spec)
    taken = max(0, anonymous_bytes() - before)
    own, named, fault, in_conflict = version, version, None, True
    try:
        own, in_conflict = learned(version, loaded), False
        named = for_endpoint(own, spec)
    except ModelError as error:
        if strict:
            raise
        named, fault = _without_classes(own, in_conflict=in_conflict), str(error)
    model = replace(_prepare(loaded, named, spec, has_served=has_served), classes_fault=fault)
    path, output = model.path, model.version.output
    return model, Proven(
        path.name,
        path.merging,
        path.milliseconds,
        own.classes,
        own.classes_from,
        own.output,
        output,
        fault,
        in_conflict,
        model.unproven,
        taken,
        tuple(sorted(model.form.may_be_absent)),
    )


def _prepare(loaded: Any, named: ModelVersion, spec: EndpointSpec, *, has_served: bool) -> Model:
    try:
        return prepare(loaded, named, spec, named.folder)
    except ModelError as error:
        if not has_served:
            raise
        _LOG.warning("It is served as before, without batches, although it does not prove itself: %s", error)
        return replace(as_before(loaded, named, spec, named.folder), unproven=str(error))


def load_proven(version: ModelVersion, spec: EndpointSpec, proven: Proven, *, data_only: bool = False) -> Model:
    """Load a version that proved itself in another process, without trying it again; raises ModelError.

    ``data_only`` refuses files that could execute code, even accepted ones.
    """
    loaded = load_model(version, spec, data_only=data_only)
    named = proven.named(version, spec)
    path = named_path(proven.path, loaded, version.folder, named.inputs, answer_columns(named, spec.task))
    return proven.model(version, spec, replace(path, merging=proven.merging, milliseconds=proven.milliseconds))


def _without_classes(version: ModelVersion, *, in_conflict: bool) -> ModelVersion:
    return replace(version, classes=None, classes_from=IN_CONFLICT if in_conflict else None)
