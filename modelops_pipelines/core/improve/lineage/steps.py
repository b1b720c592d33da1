"""The steps from feedback to a served version, as OpenLineage tells them: what each read, and what it made.

Values of people, rows and models stay here: the events hold names, hashes, versions, counts and verdicts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from modelops_pipelines.core.improve.lineage import openlineage as ol
from modelops_pipelines.core.improve.lineage.openlineage import Dataset, Json, Step

IDENTITY, RULE = "IDENTITY", "TRANSFORMATION"
LOG, LABELS, FEEDBACK = "inference_log", "labels", "feedback"
_OF_LOG = {"row_id": "prediction_id", "event_time": "event_time"}


def table(endpoint: str, name: str, delta_version: int | None, path: str | None = None) -> Dataset:
    """Return a table of the lake at one of its versions."""
    facets: dict[str, Json] = {} if delta_version is None else {"version": ol.version(delta_version)}
    return Dataset(f"{endpoint}.{name}", facets | ({} if path is None else {"symlinks": ol.location(path)}), {})


def training_set(endpoint: str, content_hash: str, **facets: Json) -> Dataset:
    """Return a training set; its version is its content hash."""
    return Dataset(f"{endpoint}.training_set", {"version": ol.version(content_hash), **facets}, {})


def model(model_name: str, version: str) -> Dataset:
    """Return a version of a registered model."""
    return Dataset(f"models.{model_name}", {"version": ol.version(version)}, {})


def set_built(
    endpoint: str,
    content_hash: str,
    at: datetime,
    *,
    rows: int,
    base_hash: str | None,
    inputs: Sequence[Dataset],
) -> Step:
    """Return the step that built a training set from the log, the labels and the feedback, and from its base."""
    made = training_set(endpoint, content_hash)
    base = [] if base_hash is None else [training_set(endpoint, base_hash)]
    outputs = [Dataset(made.name, made.facets, {"outputStatistics": ol.row_count(rows)})]
    return Step(f"{endpoint}.training_set", f"set/{endpoint}/{content_hash}", at, at, [*inputs, *base], outputs, {})


def with_columns(step: Step, endpoint: str, types: Mapping[str, str], label: str) -> Step:
    """Return the step that built a set with the set's columns, their types, and what each came from."""
    [made] = step.outputs
    facets = {**made.facets, "schema": ol.schema(types), "columnLineage": _columns(endpoint, types, label)}
    return replace(step, outputs=[replace(made, facets=facets)])


def _columns(endpoint: str, types: Mapping[str, str], label: str) -> Json:
    """Return what each column of a set came from: features as the log has them, the label by the rule of labels."""
    log = f"{endpoint}.{LOG}"
    found = {name: [(log, _OF_LOG.get(name, name), IDENTITY)] for name in types if name != label}
    if label in types:
        found[label] = [(f"{endpoint}.{LABELS}", "label", RULE), (f"{endpoint}.{FEEDBACK}", "corrected_label", RULE)]
    return ol.column_lineage(found)


def trained(
    endpoint: str,
    model_name: str,
    version: str,
    content_hash: str,
    started_at: datetime,
    ended_at: datetime,
    *,
    guards: Sequence[tuple[str, bool]],
) -> Step:
    """Return the step that trained a version on a set, with the verdicts of the guards on that set."""
    used = training_set(endpoint, content_hash)
    checked = {"dataQualityAssertions": ol.assertions(guards)} if guards else {}
    inputs = [Dataset(used.name, used.facets, checked)]
    run = f"version/{model_name}/{version}"
    job = f"{endpoint}.candidate"
    return Step(job, run, min(started_at, ended_at), ended_at, inputs, [model(model_name, version)], {})


def failed_training(
    endpoint: str, number: int, content_hash: str, started_at: datetime, ended_at: datetime, failure: str
) -> Step:
    """Return an attempt to train that failed; ``number`` is that of the attempt."""
    inputs = [training_set(endpoint, content_hash)]
    begin = min(started_at, ended_at)
    return Step(f"{endpoint}.candidate", f"attempt/{endpoint}/{number}", begin, ended_at, inputs, [], {}, failure)


def judged(
    endpoint: str,
    model_name: str,
    version: str,
    champion: str | None,
    at: datetime,
    *,
    data_hash: str,
    verdict: str,
    numbers: Mapping[str, Any],
) -> Step:
    """Return the gate's verdict on a version: what it was judged on and against, with its plain numbers."""
    rows = Dataset(f"{endpoint}.evaluation_rows", {"version": ol.version(data_hash)}, {})
    against = [] if champion is None else [model(model_name, champion)]
    plain = {name: value for name, value in numbers.items() if isinstance(value, bool | int | float)}
    gate = ol.own_run_facet(verdict=verdict, version=version, champion=champion, numbers=plain)
    outputs = [Dataset(f"{endpoint}.verdict", {"version": ol.version(f"{version} {data_hash[:12]}")}, {})]
    inputs = [rows, model(model_name, version), *against]
    run = f"gate/{endpoint}/{version}/{data_hash}/{at.isoformat()}"
    return Step(f"{endpoint}.evaluation", run, at, at, inputs, outputs, {"modelops_gate": gate})


def changed(
    endpoint: str, model_name: str, version: str, at: datetime, *, number: int, action: str, generation: int, share: int
) -> Step:
    """Return a change of what an endpoint serves: deploy, promote, rollback and the others; it names no person."""
    served = Dataset(f"{endpoint}.served", {"version": ol.version(generation)}, {})
    release = ol.own_run_facet(action=action, version=version, share=share, generation=generation)
    inputs, facets = [model(model_name, version)], {"modelops_release": release}
    return Step(f"{endpoint}.{action.replace(' ', '_')}", f"event/{number}", at, at, inputs, [served], facets)
