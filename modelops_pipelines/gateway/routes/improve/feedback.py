"""Routes on feedback: list, count and show it, flag and assign it, accept it for training, delete it.

They call the same operations as the CLI.
"""

from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query
from pydantic import AwareDatetime

from modelops_pipelines.core.improve.feedback.search import LIMIT, LONGEST_TEXT, MOST_ROWS, FeedbackSearch
from modelops_pipelines.gateway.http.feedback_models import (
    AcceptMessage,
    AssignMessage,
    FeedbackAccepted,
    FeedbackDeleted,
    FeedbackEventInfo,
    FeedbackInfo,
    FeedbackList,
    FeedbackStatistics,
    FlagMessage,
)
from modelops_pipelines.gateway.http.guarded_router import CallerOf, EndpointName, Router
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

_ALL = "/endpoints/{endpoint}/feedback"
_ONE = f"{_ALL}/{{feedback_id}}"
FeedbackId = Annotated[str, Path(max_length=64, description="as the answer to the feedback gave it")]
Rows = Annotated[int, Query(ge=1, le=MOST_ROWS)]
Cursor = Annotated[str | None, Query(max_length=100, description="'next' of the page before")]
_Rating = Annotated[int | None, Query(ge=1, le=5)]
_Text = Annotated[str | None, Query(min_length=1, max_length=LONGEST_TEXT)]
_Containing = Annotated[
    str | None, Query(min_length=1, max_length=LONGEST_TEXT, description="contained in the comment, in any case")
]
_Since = Annotated[AwareDatetime | None, Query(description="received then or later")]
_Until = Annotated[AwareDatetime | None, Query(description="received before")]


def _search(  # noqa: PLR0913 - a parameter for each condition
    *,
    rating_from: _Rating = None,
    rating_to: _Rating = None,
    thumbs: Literal["up", "down"] | None = None,
    version: _Text = None,
    text: _Containing = None,
    category: _Text = None,
    flagged: bool | None = None,
    assignee: _Text = None,
    accepted: bool | None = None,
    corrected: bool | None = None,
    prediction_id: _Text = None,
    since: _Since = None,
    until: _Until = None,
) -> FeedbackSearch:
    """Return the conditions of a request's query."""
    of_content = (rating_from, rating_to, thumbs, version, text, category)
    return FeedbackSearch(*of_content, flagged, assignee, accepted, corrected, prediction_id, since, until)


Search = Annotated[FeedbackSearch, Depends(_search)]


def add_feedback_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes; those with a fixed word come before those with an id."""
    _add_lists(router, serving, stores)
    _add_acts(router, serving, stores)


def _add_lists(router: Router, serving: Serving, stores: Stores) -> None:
    @router.get(_ALL, role="read", response_model=FeedbackList)
    def list_feedback(
        endpoint: EndpointName, search: Search, limit: Rows = LIMIT, cursor: Cursor = None
    ) -> dict[str, Any]:
        """List the feedback that meets all conditions, newest first. Pages neither repeat nor hide any of it."""
        from modelops_pipelines.operations.improve.feedback.find_feedback import find_feedback

        page = find_feedback(stores, serving.endpoint(endpoint).spec, search, limit=limit, cursor=cursor)
        return {"feedback": page.rows, "next": page.next, "complete": page.complete}

    @router.get(f"{_ALL}/recent", role="read", response_model=FeedbackList)
    def recent_feedback(endpoint: EndpointName, limit: Rows = LIMIT) -> dict[str, Any]:
        """List the endpoint's newest feedback, also what was received a moment ago."""
        from modelops_pipelines.operations.improve.feedback import find_feedback as finding

        page = finding.recent_feedback(stores, serving.endpoint(endpoint).spec, limit)
        return {"feedback": page.rows, "next": page.next, "complete": page.complete}

    @router.get(f"{_ALL}/stats", role="read", response_model=FeedbackStatistics)
    def feedback_stats(endpoint: EndpointName, search: Search) -> dict[str, Any]:
        """Count the feedback that meets all conditions: ratings and thumbs, by version, category and day."""
        from modelops_pipelines.operations.improve.feedback.statistics import feedback_statistics

        return feedback_statistics(stores, serving.endpoint(endpoint).spec, search)

    @router.get(_ONE, role="read", response_model=FeedbackInfo)
    def show_feedback(endpoint: EndpointName, feedback_id: FeedbackId) -> dict[str, Any]:
        """Show one piece of feedback with what was predicted; 404 for one that was deleted."""
        from modelops_pipelines.operations.improve.feedback.find_feedback import feedback_of

        return feedback_of(stores, serving.endpoint(endpoint).spec, feedback_id)

    @router.get(f"{_ONE}/history", role="read", response_model=list[FeedbackEventInfo])
    def feedback_history(endpoint: EndpointName, feedback_id: FeedbackId) -> list[dict[str, Any]]:
        """Show who did what with the feedback, oldest first; also after its deletion."""
        from modelops_pipelines.operations.improve.feedback.act_on_feedback import history

        return history(stores, serving.endpoint(endpoint).spec, feedback_id)


def _add_acts(router: Router, serving: Serving, stores: Stores) -> None:
    @router.delete(_ONE, role="operate", response_model=FeedbackDeleted)
    def delete_feedback(endpoint: EndpointName, feedback_id: FeedbackId, caller: CallerOf) -> dict[str, Any]:
        """Delete feedback: from the answer on nothing shows it, counts it or learns from it."""
        from modelops_pipelines.operations.improve.feedback.act_on_feedback import delete

        fresh = delete(stores, serving.endpoint(endpoint).spec, feedback_id, caller.name)
        return {"feedback_id": feedback_id, "status": "deleted" if fresh else "already deleted"}

    @router.post(f"{_ONE}/flag", role="operate", response_model=FeedbackInfo)
    def flag_feedback(
        endpoint: EndpointName, feedback_id: FeedbackId, caller: CallerOf, message: FlagMessage | None = None
    ) -> dict[str, Any]:
        """Flag feedback for review."""
        from modelops_pipelines.operations.improve.feedback.act_on_feedback import flag

        return flag(
            stores, serving.endpoint(endpoint).spec, feedback_id, caller.name, message.note if message else None
        )

    @router.post(f"{_ONE}/unflag", role="operate", response_model=FeedbackInfo)
    def unflag_feedback(
        endpoint: EndpointName, feedback_id: FeedbackId, caller: CallerOf, message: FlagMessage | None = None
    ) -> dict[str, Any]:
        """Take the flag off."""
        from modelops_pipelines.operations.improve.feedback.act_on_feedback import unflag

        return unflag(
            stores, serving.endpoint(endpoint).spec, feedback_id, caller.name, message.note if message else None
        )

    @router.post(f"{_ONE}/assign", role="operate", response_model=FeedbackInfo)
    def assign_feedback(
        endpoint: EndpointName, feedback_id: FeedbackId, caller: CallerOf, message: AssignMessage
    ) -> dict[str, Any]:
        """Assign feedback to a person, or to nobody."""
        from modelops_pipelines.operations.improve.feedback.act_on_feedback import assign

        spec = serving.endpoint(endpoint).spec
        return assign(stores, spec, feedback_id, caller.name, message.assignee, message.note)

    @router.post(f"{_ONE}/to-training", role="operate", response_model=FeedbackAccepted, error_statuses=(409,))
    def accept_feedback(
        endpoint: EndpointName, feedback_id: FeedbackId, caller: CallerOf, message: AcceptMessage | None = None
    ) -> dict[str, Any]:
        """Accept feedback as a label for training: exactly once, however often it is asked for."""
        from modelops_pipelines.operations.improve.feedback.act_on_feedback import accept

        asked, spec = message or AcceptMessage(), serving.endpoint(endpoint).spec
        found, fresh = accept(stores, spec, feedback_id, caller.name, asked.label, asked.note)
        return {
            **{name: getattr(found, name) for name in ("feedback_id", "prediction_id", "label", "at")},
            "status": "accepted" if fresh else "already accepted",
            "by": found.actor,
            "training_rows": stores.accepted_feedback.count(endpoint),
        }
