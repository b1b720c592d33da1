"""Lists that are read page by page: a cursor names the last item read, so no item is skipped or repeated."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from modelops_pipelines.core.cursors import decode_cursor, encode_cursor
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.release.deployment_states import DEVELOPMENT, PRODUCTION
from modelops_pipelines.operations.release.commands import stages
from modelops_pipelines.operations.versions.set_visibility import is_visible, visible_sets
from modelops_pipelines.store.state.database import to_micros
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    from modelops_pipelines.store.registry.lists.listed import ListedVersion

_DEPLOYMENT = (
    "deployment_id",
    "requested_at",
    "endpoint",
    "version",
    "action",
    "share",
    "status",
    "actor",
    "reason",
    "error",
)


LARGEST = 2**63


@dataclass(frozen=True)
class Page:
    """Some items of a list, and the cursor of the next page; None at the end of the list."""

    items: Sequence[Mapping[str, Any]]
    next_cursor: str | None


def deployments_page(
    stores: Stores, endpoints: Sequence[str] | None, status: str | None, cursor: str | None, limit: int
) -> Page:
    """Return deployments, newest first; of all endpoints where ``endpoints`` is None. Raises InputError.

    Deployments requested between two pages are newer than the cursor: they do not shift the pages.
    """
    position = position_in(cursor, 2)
    before = None if position is None else (int(position[0]), str(position[1]))
    found = stores.deployments.attempts(endpoints, status, before, limit + 1)
    items = [
        {"deployment_id": one.deployment_id, **{name: getattr(one, name) for name in _DEPLOYMENT}} for one in found
    ]
    last = found[limit - 1] if len(found) > limit else None
    following = None if last is None else encode_cursor(json.dumps([to_micros(last.requested_at), last.deployment_id]))
    return Page(items[:limit], following)


def history_page(stores: Stores, endpoint: str, cursor: str | None, limit: int) -> Page:
    """Return the changes in the endpoint's history, newest first, each with its hash and 'gate'. Raises InputError.

    ``gate`` is passed or forced, None where the gate was not asked.
    """
    position = position_in(cursor, 1)
    found = stores.deployments.newest_events(endpoint, None if position is None else int(position[0]), limit + 1)
    items = [{**vars(event), "hash": seal, "gate": event.gate} for event, seal in found[:limit]]
    return Page(items, encode_cursor(json.dumps([items[-1]["number"]])) if len(found) > limit else None)


def versions_page(
    stores: Stores,
    spec: EndpointSpec,
    stage: str | None,
    cursor: str | None,
    limit: int,
    sees: Callable[[str], bool] | None = None,
) -> Page:
    """Return the versions that MLflow has of the endpoint's model, newest first, with their stages. Raises InputError.

    A version that was never deployed or judged here is in development. ``sees`` says of which other endpoints of the
    model may be told (None: of all): stages are those of the others, and training sets of these are left out.
    """
    if spec.is_elsewhere:
        return _versions_elsewhere(stores, spec, stage, limit)
    position = position_in(cursor, 1)
    below = None if position is None else int(position[0])
    known = stages(stores, spec, sees)
    if stage in (None, DEVELOPMENT):
        found = _versions_below(stores, spec, known, stage, below, limit + 1)
    else:
        numbers = sorted((int(number) for number, its in known.items() if its == stage), reverse=True)
        wanted = [str(number) for number in numbers if below is None or number < below][: limit + 1]
        found = [stores.registry.listed(spec.model_name, number) for number in wanted]
    shown = visible_sets(stores, [one.training_set for one in found], sees)
    items = [{**_listed(one, shown), "stage": known.get(one.version, DEVELOPMENT)} for one in found]
    more = len(items) > limit
    return Page(items[:limit], encode_cursor(json.dumps([items[limit - 1]["version"]])) if more else None)


def _listed(version: "ListedVersion", shown: frozenset[str] | None) -> dict[str, Any]:
    """Return a version; without its training set, and the run that trained it, where the set may not be shown."""
    row = asdict(version)
    return row if is_visible(version.training_set, shown) else {**row, "training_set": None, "run_id": None}


def _versions_elsewhere(stores: Stores, spec: EndpointSpec, stage: str | None, limit: int) -> Page:
    """Return the versions that the log of an endpoint served elsewhere names, newest first: all are in use there."""
    if stage not in (None, PRODUCTION):
        return Page([], None)
    shared = {"training_set": None, "run_id": None, "description": "served elsewhere", "stage": PRODUCTION}
    known = reversed(stores.deployments.versions(spec.model_name))
    items = [{"version": one.version, "registered_at": one.registered_at, **shared} for one in known]
    return Page(items[:limit], None)


def _versions_below(
    stores: Stores, spec: EndpointSpec, known: Mapping[str, str], stage: str | None, below: int | None, limit: int
) -> "list[ListedVersion]":
    """Return the newest versions of any stage, or of those in development: versions without a record here are."""
    found: list[ListedVersion] = []
    while len(found) < limit:
        listed = stores.registry.versions_below(spec.model_name, below, limit)
        found += [one for one in listed if stage in (None, known.get(one.version, DEVELOPMENT))]
        if len(listed) < limit:
            break
        below = int(listed[-1].version)
    return found[:limit]


def position_in(cursor: str | None, length: int) -> list[Any] | None:
    """Return the position that a cursor names; raises InputError for a cursor that is not of this list."""
    if cursor is None:
        return None
    try:
        position = json.loads(decode_cursor(cursor))
        valid = isinstance(position, list) and len(position) == length
        valid = valid and abs(int(position[0])) < LARGEST
    except (ValueError, TypeError, OverflowError):
        valid = False
    if not valid:
        raise InputError(
            f"{cursor[:40]!r} is not a cursor of this list", "Use the cursor that the previous page returned"
        )
    return list(position)
