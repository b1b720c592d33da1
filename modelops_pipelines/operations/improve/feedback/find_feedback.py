"""Lists of feedback in pages that do not shift, one piece of it, and the newest pieces."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.improve.feedback.search import (
    LIMIT,
    FeedbackSearch,
    Place,
    check_limit,
    check_search,
    place_of,
)
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.improve.feedback.open_feedback import answers_of, open_feedback
from modelops_pipelines.store.stores import Stores

SHOWN = (
    *("feedback_id", "prediction_id", "request_id", "row_index", "event_time", "received_at", "given_at", "rating"),
    *("thumbs", "comment", "corrected_label", "user_id", "session_id", "key_id"),
)
"""The columns of the table that are shown as they are."""
ALL = FeedbackSearch()


@dataclass(frozen=True)
class FeedbackPage:
    """A page of feedback, newest first; ``next`` is the cursor of the next page, None at the end.

    ``complete`` is False when the spool of this host holds more than was read.
    """

    rows: list[dict[str, Any]]
    next: str | None
    complete: bool


def find_feedback(
    stores: Stores, spec: EndpointSpec, search: FeedbackSearch = ALL, *, limit: int = LIMIT, cursor: str | None = None
) -> FeedbackPage:
    """Return up to ``limit`` pieces of feedback that meet the conditions, newest first, from the cursor on.

    Raises InputError for conditions, a limit or a cursor that cannot be.
    """
    check_search(search)
    check_limit(limit)
    place = None if cursor is None else place_of(cursor)
    with open_feedback(stores, spec, with_versions=search.version is not None, with_marks=search.by_marks) as opened:
        found = opened.found(search, limit=limit + 1, place=place)
        complete = opened.complete
    page = found[:limit]
    last = Place(page[-1]["received_at"], page[-1]["feedback_id"]).cursor if len(found) > limit else None
    return FeedbackPage(_described(stores, spec, page), last, complete)


def recent_feedback(stores: Stores, spec: EndpointSpec, limit: int = LIMIT) -> FeedbackPage:
    """Return the newest feedback on the endpoint; raises InputError for an invalid limit."""
    return find_feedback(stores, spec, limit=limit)


def feedback_of(stores: Stores, spec: EndpointSpec, feedback_id: str) -> dict[str, Any]:
    """Return one piece of feedback; raises UnknownError for an unknown id, and for one that was deleted."""
    [described] = _described(stores, spec, [stored_feedback(stores, spec, feedback_id)])
    return described


def stored_feedback(stores: Stores, spec: EndpointSpec, feedback_id: str) -> dict[str, Any]:
    """Return one piece of feedback as the table holds it; raises UnknownError as ``feedback_of`` does."""
    with open_feedback(stores, spec, with_versions=False, with_marks=False) as opened:
        found = opened.found(ALL, limit=1, feedback_id=feedback_id)
    if not found:
        raise _unknown(stores, spec, feedback_id)
    return found[0]


def _unknown(stores: Stores, spec: EndpointSpec, feedback_id: str) -> UnknownError:
    mark = stores.feedback_marks.find(spec.name, feedback_id)
    remedy = f"See what there is: modelops feedback list {spec.name}"
    if mark is not None and mark.deleted_at is not None:
        return UnknownError(f"The feedback {feedback_id[:80]!r} was deleted at {text(mark.deleted_at)}", remedy)
    return UnknownError(f"Endpoint {spec.name!r} has no feedback {feedback_id[:80]!r}", remedy)


def _described(stores: Stores, spec: EndpointSpec, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows as people see them: with what was predicted, and what people did with the feedback."""
    answers, ids = answers_of(stores, spec, rows), [row["feedback_id"] for row in rows]
    marks = stores.feedback_marks.among(spec.name, ids)
    labels = {one.feedback_id: one.label for one in stores.accepted_feedback.among(spec.name, ids)}
    described = []
    for row in rows:
        answer, mark = answers.get(row["prediction_id"], {}), marks.get(row["feedback_id"])
        described.append(
            {
                **{name: row[name] for name in SHOWN},
                "categories": json.loads(row["categories"] or "[]"),
                "model_version": answer.get("model_version"),
                "prediction": answer.get("prediction"),
                "score": answer.get("score"),
                "flagged": mark is not None and mark.flagged,
                "assignee": mark and mark.assignee,
                "accepted_label": labels.get(row["feedback_id"]),
            }
        )
    return described
