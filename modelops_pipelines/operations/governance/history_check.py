"""Checks the history and the state against each other: rows that were changed or removed by hand."""

from modelops_pipelines.core.errors import ConflictError, SchemaError
from modelops_pipelines.core.release.event_log import Event, broken_link
from modelops_pipelines.core.release.recomputed_state import (
    archive_differences,
    differences,
    missing_deployments,
    unrecorded_versions,
)
from modelops_pipelines.store.stores import Stores

_SHOWN = 5
_REMEDY = "Compare the state database with a backup, and restore it"


def check_history(stores: Stores) -> str:
    """Return what was found right of the events and their hashes; raises ConflictError or SchemaError otherwise.

    The events are those of the hash chain, of the newest hash that the database keeps, and of the file beside it.
    """
    deployments = stores.deployments
    events, head = deployments.sealed_events(), deployments.head()
    broken = broken_link(events, head)
    if broken is None and head is None and events and "live" in events[-1][0].evidence:
        raise ConflictError("The hash of the newest event was removed from the state database", _REMEDY)
    if broken is not None:
        raise ConflictError(
            f"The history fails its hash check from event {broken} on: events were changed or removed", _REMEDY
        )
    _check_notes(stores, events)
    return f"{len(events)} event(s), all hashes are valid"


def check_state(stores: Stores) -> str:
    """Return what was found right of the state, computed again from the events; raises ConflictError otherwise."""
    deployments = stores.deployments
    try:
        events = deployments.events()
        states, models = deployments.all_desired(), deployments.model_names()
        recorded = {name: [one.version for one in deployments.versions(name)] for name in models}
        found = [
            *differences(states, events),
            *unrecorded_versions(events, recorded),
            *archive_differences(events, deployments.all_archived()),
            *missing_deployments(events, deployments.deployed_generations()),
        ]
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        what = f"A row of the state database is damaged ({type(error).__name__}: {error})"
        raise SchemaError(what, _REMEDY) from error
    if found:
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise ConflictError(f"The state is not that of the history: {'; '.join(found[:_SHOWN])}{more}", _REMEDY)
    return f"{len(states)} endpoint(s), each as its events say"


def _check_notes(stores: Stores, events: list[tuple[Event, str]]) -> None:
    notes, known = stores.event_notes.read(), {event.number: seal for event, seal in events}
    path = stores.event_notes.path
    if notes is None or (not notes and events):
        if stores.deployments.are_noted():
            raise ConflictError(f"The second record of the history, {path}, is missing or empty", _REMEDY)
        return
    lost = sorted({number for number, seal in notes if known.get(number) != seal})
    if lost:
        raise ConflictError(
            f"{path} has event {lost[0]} with another hash, or the state database lacks it: {len(lost)} event(s) were "
            "removed or rewritten",
            f"{_REMEDY}. After a backup was restored on purpose, move {path.name} away",
        )
