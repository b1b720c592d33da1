"""Compares what the state says is served with what the history's events add up to. No clock, no store."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.core.release.event_log import DEPLOY, PROMOTE, Event, describe_state, live_at

ARCHIVE, RESTORE = "archive", "restore"
_END = datetime.max.replace(tzinfo=UTC)


def differences(states: Iterable[DesiredState], events: Sequence[Event]) -> list[str]:
    """Return each endpoint whose stored state is not that of its events, in words; both are those of all endpoints."""
    stored = {state.endpoint: state for state in states}
    by_endpoint: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_endpoint[event.endpoint].append(event)
    found = [_difference(stored.get(name), live_at(name, of, _END), of) for name, of in by_endpoint.items()]
    unknown = [f"endpoint {name!r} has a state, and no event" for name in stored if name not in by_endpoint]
    return [one for one in (*found, *unknown) if one is not None]


def unrecorded_versions(events: Iterable[Event], recorded: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the versions that the events put live and that are recorded for no model; ``recorded`` is by model."""
    known = {version for versions in recorded.values() for version in versions}
    live = {event.to_version for event in events if event.action in (DEPLOY, PROMOTE)}
    return [f"version {version} was deployed, and has no record" for version in sorted(live - known)]


def archive_differences(events: Iterable[Event], archived: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the versions whose archiving or restoring the state does not have; ``archived`` is by model."""
    wanted: dict[tuple[str, str], bool] = {}
    for event in events:
        if event.action in (ARCHIVE, RESTORE):
            wanted[str(event.evidence.get("model_name")), event.to_version] = event.action == ARCHIVE
    stored = {(model, version) for model, versions in archived.items() for version in versions}
    expected = {key for key, is_archived in wanted.items() if is_archived}
    return [
        f"version {version} of model {model!r} is {'archived' if (model, version) in expected else 'not archived'} by "
        f"its events, and {'not archived' if (model, version) in expected else 'archived'} in the state"
        for model, version in sorted(stored ^ expected)
    ]


def missing_deployments(events: Iterable[Event], deployed: Iterable[tuple[str, int | None]]) -> list[str]:
    """Return the deploys and promotions without a record of their deployment; ``deployed`` has endpoint, generation."""
    known = set(deployed)
    lost = [
        event
        for event in events
        if event.action in (DEPLOY, PROMOTE) and "live" in event.evidence and event.evidence.get("role") is None
    ]
    return [
        f"the deployment of version {event.to_version} on {event.endpoint!r} (event {event.number}) has no record"
        for event in lost
        if (event.endpoint, event.generation) not in known
    ]


def _difference(stored: DesiredState | None, expected: DesiredState, events: Sequence[Event]) -> str | None:
    """Return how a stored state differs; before release 0.3 events named the champion and the challenger only."""
    name = expected.endpoint
    if stored is None:
        return None if not expected.generation else f"endpoint {name!r} has events, and no state"
    newest = max((event for event in events), key=lambda event: event.number)
    if any("live" in event.evidence for event in events):
        same = describe_state(stored) == describe_state(expected) and stored.generation == expected.generation
    else:
        same = (stored.champion, stored.challenger) == (expected.champion, expected.challenger)
    if same:
        return None
    return (
        f"endpoint {name!r} serves {_in_words(stored)} by its state, and {_in_words(expected)} by its events "
        f"(the newest is {newest.number})"
    )


def _in_words(state: DesiredState) -> str:
    variants = ", ".join(f"{one.version} ({one.role}, {one.share} %)" for one in state.variants) or "nothing"
    return f"{variants} [{state.status}, generation {state.generation}]"
