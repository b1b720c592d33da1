"""Routes on the review queue: list and show items, take them, judge them; what the reviews say.

They call the same operations as the CLI. The reviewer is the name of the request's key.
"""

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AwareDatetime

from modelops_pipelines.core.endpoints.improvement import ReviewReason
from modelops_pipelines.core.improve.review.verdicts import ItemStatus
from modelops_pipelines.gateway.http.guarded_router import CallerOf, EndpointName, Router
from modelops_pipelines.gateway.http.review_models import (
    ReopenMessage,
    ReviewAssignMessage,
    ReviewItemDetails,
    ReviewPage,
    ReviewSummary,
    VerdictMessage,
)
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

MOST_ID = 2**53
Item = Annotated[int, Path(ge=1, le=MOST_ID)]
Rows = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=200, description="'next' of the page before")]
Reasons = Annotated[list[ReviewReason] | None, Query(max_length=5, description="default: all")]
Statuses = Annotated[list[ItemStatus] | None, Query(max_length=4, description="default: open")]
Person = Annotated[str | None, Query(min_length=1, max_length=200)]
_ALL = "/endpoints/{endpoint}/review"
_ONE = f"{_ALL}/{{item}}"


def add_review_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes; those with a fixed word come before those with a number."""
    _add_views(router, serving, stores)
    _add_acts(router, serving, stores)


def _add_views(router: Router, serving: Serving, stores: Stores) -> None:
    @router.get(_ALL, role="read", response_model=ReviewPage)
    def list_reviews(
        endpoint: EndpointName,
        *,
        reason: Reasons = None,
        status: Statuses = None,
        assignee: Person = None,
        not_judged_by: Person = None,
        limit: Rows = 100,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """List the predictions for people to judge, the most urgent first. Pages neither repeat nor hide any."""
        from modelops_pipelines.operations.improve.review.views import list_items, statuses_of

        page = list_items(
            stores,
            serving.endpoint(endpoint).spec,
            reasons=reason or (),
            statuses=statuses_of(everything=False, given=status or ()),
            assignee=assignee,
            not_judged_by=not_judged_by,
            cursor=cursor,
            limit=limit,
        )
        return {"items": page.items, "next": page.next_cursor}

    @router.get(f"{_ALL}/agreement", role="read", response_model=ReviewSummary)
    def review_agreement(
        endpoint: EndpointName,
        version: Person = None,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
    ) -> dict[str, Any]:
        """Show how far reviewers agree (Cohen's kappa), and the quality that the random sample shows."""
        from modelops_pipelines.operations.improve.review.agreement import review_summary

        spec = serving.endpoint(endpoint).spec
        return review_summary(stores, spec, version=version, since=since, until=until)

    @router.get(_ONE, role="read", response_model=ReviewItemDetails)
    def show_review(endpoint: EndpointName, item: Item, caller: CallerOf) -> dict[str, Any]:
        """Show an item with the features that the prediction was made of, and the verdicts on it."""
        from modelops_pipelines.operations.improve.review.views import show_item

        return show_item(stores, serving.endpoint(endpoint).spec, item, caller.name)


def _add_acts(router: Router, serving: Serving, stores: Stores) -> None:
    @router.post(_ONE, role="operate", response_model=ReviewItemDetails, error_statuses=(409,))
    def judge_review(endpoint: EndpointName, item: Item, caller: CallerOf, message: VerdictMessage) -> dict[str, Any]:
        """Give a verdict on a prediction: confirm it, correct it with a label, or reject it as one nobody can judge."""
        from modelops_pipelines.operations.improve.review.judge import judge
        from modelops_pipelines.operations.improve.review.views import show_item

        spec = serving.endpoint(endpoint).spec
        judge(stores, spec, item, message.verdict, caller.name, label=message.label, note=message.note)
        return show_item(stores, spec, item, caller.name)

    @router.post(f"{_ONE}/assign", role="operate", response_model=ReviewItemDetails, error_statuses=(409,))
    def assign_review(
        endpoint: EndpointName, item: Item, caller: CallerOf, message: ReviewAssignMessage
    ) -> dict[str, Any]:
        """Assign an item to a person, or to nobody."""
        from modelops_pipelines.operations.improve.review.judge import assign
        from modelops_pipelines.operations.improve.review.views import show_item

        spec = serving.endpoint(endpoint).spec
        assign(stores, spec, item, message.assignee, force=message.force)
        return show_item(stores, spec, item, caller.name)

    @router.post(f"{_ONE}/reopen", role="operate", response_model=ReviewItemDetails, error_statuses=(409,))
    def reopen_review(endpoint: EndpointName, item: Item, caller: CallerOf, message: ReopenMessage) -> dict[str, Any]:
        """Withdraw the labels of a done item, and let its prediction be judged anew."""
        from modelops_pipelines.operations.improve.review.judge import reopen
        from modelops_pipelines.operations.improve.review.views import show_item

        spec = serving.endpoint(endpoint).spec
        reopen(stores, spec, item, caller.name, message.note)
        return show_item(stores, spec, item, caller.name)
