"""The review queue for people: pages of it, and one item with what a reviewer needs to judge it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from modelops_pipelines.core.cursors import decode_cursor, encode_cursor
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.improve.review.verdicts import ITEM_STATUSES, OPEN, is_conflict
from modelops_pipelines.operations.improve.review.judge import item_numbered
from modelops_pipelines.operations.lake.endpoint_tables import feature_types, log_table
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.state.improve.review_items import Page, ReviewItem
from modelops_pipelines.store.stores import Stores

MOST = 1000
_INTERNAL = ("replaced", "reopened")


@dataclass(frozen=True)
class Listing:
    """A page of the queue; ``next_cursor`` leads to the next one, None after the last."""

    items: tuple[dict[str, Any], ...]
    next_cursor: str | None


def list_items(
    stores: Stores,
    spec: EndpointSpec,
    *,
    reasons: Sequence[str] = (),
    statuses: Sequence[str] = (OPEN,),
    assignee: str | None = None,
    not_judged_by: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Listing:
    """Return a page of items, the most urgent first; raises InputError for a cursor that is none.

    A cursor names the last item of its page, so that items that come or go meanwhile neither repeat nor hide others.
    """
    after = None if cursor is None else _place(cursor)
    page = Page(spec.name, tuple(reasons), tuple(statuses), assignee, not_judged_by, after, limit + 1)
    found = stores.review_items.page(page)
    verdicts = stores.review_verdicts.on([item.id for item in found])
    described = [{**_described(item), "verdicts": len(verdicts[item.id])} for item in found[:limit]]
    return Listing(tuple(described), _cursor(found[limit - 1]) if len(found) > limit else None)


def show_item(stores: Stores, spec: EndpointSpec, number: int, viewer: str | None = None) -> dict[str, Any]:
    """Return an item with the features that the prediction was made of, and the verdicts on it.

    Verdicts on an open item are shown to those who have judged it: reviewers are to judge independently.
    """
    item = item_numbered(stores, spec, number)
    verdicts = stores.review_verdicts.on([number])[number]
    shown = item.status != OPEN or any(one.reviewer == viewer for one in verdicts)
    history = {name: list(item.detail.get(name, ())) if shown else [] for name in _INTERNAL}
    return {
        **_described(item),
        "verdicts": len(verdicts),
        "conflict": is_conflict(verdicts),
        "given": [vars(one) for one in verdicts] if shown else [],
        **history,
        "features": _features(stores, spec, item),
    }


def statuses_of(*, everything: bool, given: Sequence[str] = ()) -> tuple[str, ...]:
    """Return which statuses to list: those given, else all of them or the open ones."""
    return tuple(given) or (ITEM_STATUSES if everything else (OPEN,))


def _described(item: ReviewItem) -> dict[str, Any]:
    detail = {name: value for name, value in item.detail.items() if name not in _INTERNAL}
    fields = {name: value for name, value in vars(item).items() if name not in ("endpoint", "detail")}
    return {**fields, "endpoint": item.endpoint, "detail": detail}


def _features(stores: Stores, spec: EndpointSpec, item: ReviewItem) -> dict[str, Any] | None:
    """Return the row's features as the log has them; None when the log has the row no longer, or not its features."""
    table, names = log_table(stores, spec), list(feature_types(stores, spec))
    if not names:
        return None
    with stores.lake.query(spec.name, [table], [item.event_time.date()]) as connected:
        query = sql.features_of(table, names)
        row = connected.execute(query, {"prediction_id": item.prediction_id}).fetchone()
    return None if row is None else {name: _plain(value) for name, value in zip(names, row, strict=True)}


def _plain(value: Any) -> Any:
    """Return a value as JSON can have it."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _cursor(item: ReviewItem) -> str:
    return encode_cursor(json.dumps([item.priority, item.id]))


def _place(cursor: str) -> tuple[float, int]:
    """Return the place in the queue that a cursor names."""
    try:
        priority, number = json.loads(decode_cursor(cursor))
        if isinstance(priority, int | float) and isinstance(number, int) and isfinite(priority) and 0 <= number < 2**53:
            return float(priority), number
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    raise InputError("The cursor is none that a page of the queue gave", "Send 'next_cursor' of the page before")
