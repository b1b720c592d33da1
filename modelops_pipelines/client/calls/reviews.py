"""The review queue: list and show items, take them, judge them; what the reviews say."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from modelops_pipelines.client.answers.reading import many, one
from modelops_pipelines.client.answers.result import Listing
from modelops_pipelines.client.answers.reviews import ReviewItem, ReviewItemDetails, ReviewSummary
from modelops_pipelines.client.connection.call import Call, Retry, body_of
from modelops_pipelines.client.connection.operation import operation
from modelops_pipelines.client.rows.labels import plain_label

_ALL = "/endpoints/{endpoint}/review"
_ONE = f"{_ALL}/{{item}}"


class ReviewCalls:
    """Operations of reviewers; the reviewer is the name of the key."""

    @operation
    def reviews(
        self,
        endpoint: str,
        *,
        reasons: Iterable[str] = (),
        statuses: Iterable[str] = (),
        assignee: str | None = None,
        not_judged_by: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Call[Listing[ReviewItem]]:
        """List the predictions for people to judge, the most urgent first; by default open ones."""
        chosen = {"reason": list(reasons), "status": list(statuses), "assignee": assignee}
        query = {**chosen, "not_judged_by": not_judged_by, "limit": limit, "cursor": cursor}
        return Call("GET", _ALL, many(ReviewItem, "items", "next"), {"endpoint": endpoint}, query)

    @operation
    def review_summary(
        self, endpoint: str, *, version: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> Call[ReviewSummary]:
        """Show how far reviewers agree (Cohen's kappa), and the quality that the random sample shows."""
        query = {"version": version, "since": since, "until": until}
        return Call("GET", f"{_ALL}/agreement", one(ReviewSummary), {"endpoint": endpoint}, query)

    @operation
    def review(self, endpoint: str, item: int) -> Call[ReviewItemDetails]:
        """Show an item with the features that the prediction was made of, and the verdicts on it."""
        return Call("GET", _ONE, one(ReviewItemDetails), {"endpoint": endpoint, "item": item})

    @operation
    def judge(
        self, endpoint: str, item: int, verdict: str, *, label: Any = None, note: str = ""
    ) -> Call[ReviewItemDetails]:
        """Give a verdict: confirm the prediction, correct it with a ``label``, or reject it as one nobody can judge."""
        true = {"label": plain_label(label, "label")} if label is not None else {}
        return _act("", endpoint, item, {"verdict": verdict, **true, "note": note})

    @operation
    def assign_review(
        self, endpoint: str, item: int, assignee: str | None, *, force: bool = False
    ) -> Call[ReviewItemDetails]:
        """Assign an item to a person, or to nobody (None); ``force`` takes it from the person who has it."""
        return _act("/assign", endpoint, item, {"assignee": assignee, "force": force})

    @operation
    def reopen_review(self, endpoint: str, item: int, *, note: str) -> Call[ReviewItemDetails]:
        """Withdraw the labels of a done item, and let its prediction be judged anew."""
        return _act("/reopen", endpoint, item, {"note": note})


def _act(act: str, endpoint: str, item: int, message: dict[str, Any]) -> Call[ReviewItemDetails]:
    parts: dict[str, str | int] = {"endpoint": endpoint, "item": item}
    read = one(ReviewItemDetails)
    return Call("POST", f"{_ONE}{act}", read, parts, content=body_of(message, nulls=True), retry=Retry.UNSENT)
