"""Makes OpenLineage events of what is recorded and was not told yet: sets, versions, failures, verdicts, changes.

They are made of the records, and no step sends any: so none is lost when a step is killed, a step never waits for a
receiver, and what happened before the setting was made is told too.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.improve.lineage import steps
from modelops_pipelines.core.improve.lineage.openlineage import Step, events_of
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.core.tables.training import frozen_table
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.store.stores import Stores

ACTIONS = ("deploy", "promote", "rollback", "undo", "withdraw", "delete")
_POSITION = "position"
Row = Mapping[str, Any]


def gather_events(stores: Stores, now: datetime) -> int:
    """Write the events that were not told yet, in order of their times; return how many.

    An endpoint without a configuration tells nothing: what model it serves is not known.
    """
    specs = {spec.name: spec for spec in configured(stores.settings)}
    known = stores.lineage_events.known_keys()
    found = [(endpoint, step) for endpoint, step in _steps(stores, specs) if f"{step.run}/START" not in known]
    found.sort(key=lambda one: one[1].ended_at)
    namespace = stores.settings.openlineage_namespace
    events = [
        (f"{step.run}/{'START' if event['eventType'] == 'START' else 'END'}", endpoint, event)
        for endpoint, step in found
        for event in events_of(_with_columns(stores, specs[endpoint], step), namespace)
    ]
    return stores.lineage_events.add(events, now) if events else 0


def _steps(stores: Stores, specs: Mapping[str, EndpointSpec]) -> Iterator[tuple[str, Step]]:
    """Yield the steps of every endpoint, in order of their kind."""
    records = stores.lineage_records
    sets = [row for row in records.all_sets() if row["endpoint"] in specs]
    runs = [row for row in records.all_training_runs() if row["endpoint"] in specs]
    for row in sets:
        yield row["endpoint"], _set_built(stores, specs[row["endpoint"]], row)
    yield from _versions(stores, specs, sets, runs)
    for row in runs:
        if row["failure"] is not None:
            yield row["endpoint"], _failed(row)
    for row in records.all_gates():
        if row["endpoint"] in specs:
            yield row["endpoint"], _judged(specs[row["endpoint"]], row)
    for event in stores.deployments.events():
        if event.endpoint in specs and event.action in ACTIONS:
            yield event.endpoint, _changed(specs[event.endpoint], event)


def _set_built(stores: Stores, spec: EndpointSpec, row: Row) -> Step:
    versions: Mapping[str, int] = (row["manifest"] or {}).get("tables") or {}
    names = [name for name in (steps.LOG, steps.LABELS, steps.FEEDBACK) if name in versions or not versions]
    paths = {name: str(stores.lake.path(spec.name, name)) for name in names}
    inputs = [steps.table(spec.name, name, versions.get(name), paths[name]) for name in names]
    what = {"rows": row["rows"], "base_hash": row["base_hash"], "inputs": inputs}
    return steps.set_built(spec.name, row["content_hash"], row["at"], **what)


def _with_columns(stores: Stores, spec: EndpointSpec, step: Step) -> Step:
    """Return the step that built a set with the set's columns, where its table is still there."""
    kind, *_, content_hash = step.run.split("/")
    delta = stores.lake.table(spec.name, frozen_table(content_hash)) if kind == "set" else None
    if delta is None:
        return step
    types = {one.name: str(getattr(one.type, "type", one.type)) for one in delta.schema().fields}
    return steps.with_columns(
        step, spec.name, {name: kind for name, kind in types.items() if name != _POSITION}, spec.label
    )


def _versions(
    stores: Stores, specs: Mapping[str, EndpointSpec], sets: list[Row], runs: list[Row]
) -> Iterator[tuple[str, Step]]:
    """Yield the training of each version whose set is recorded here."""
    checks = stores.lineage_records.all_checks()
    of_models = {(specs[row["endpoint"]].model_name, row["content_hash"]): row["endpoint"] for row in sets}
    began = {(row["endpoint"], row["version"]): row["started_at"] for row in runs if row["version"] is not None}
    for row in stores.lineage_records.all_versions():
        endpoint = of_models.get((row["model_name"], row["training_set"]))
        if endpoint is None:
            continue
        ended_at, content_hash = row["registered_at"], row["training_set"]
        started_at: datetime = began.get((endpoint, row["version"])) or ended_at
        parts = (endpoint, row["model_name"], row["version"], content_hash, started_at, ended_at)
        yield endpoint, steps.trained(*parts, guards=checks.get((endpoint, content_hash), []))


def _failed(row: Row) -> Step:
    times = (row["started_at"], row["ended_at"])
    return steps.failed_training(row["endpoint"], row["id"], row["content_hash"], *times, row["failure"])


def _changed(spec: EndpointSpec, event: Event) -> Step:
    return steps.changed(
        spec.name,
        spec.model_name,
        event.to_version,
        event.at,
        number=event.number,
        action=event.action,
        generation=event.generation,
        share=event.share,
    )


def _judged(spec: EndpointSpec, row: Row) -> Step:
    parts = (spec.name, spec.model_name, row["version"], row["champion"], row["at"])
    said = {name: row[name] for name in ("data_hash", "verdict", "numbers")}
    return steps.judged(*parts, **said)
