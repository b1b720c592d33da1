"""Statistics of feedback: counts, average rating and thumbs; by version, category and day. They equal a recount."""

from collections.abc import Mapping
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.improve.feedback.search import HIGHEST, LOWEST, FeedbackSearch, check_search
from modelops_pipelines.operations.improve.feedback.find_feedback import ALL
from modelops_pipelines.operations.improve.feedback.open_feedback import open_feedback
from modelops_pipelines.store.stores import Stores

COUNTS = (*("feedback", "rated", "thumbs_up", "thumbs_down", "comments", "corrections", "flagged", "accepted"),)


def feedback_statistics(stores: Stores, spec: EndpointSpec, search: FeedbackSearch = ALL) -> dict[str, Any]:
    """Return the counts of the feedback that meets the conditions; raises InputError for conditions that cannot be.

    ``average_rating`` is the mean of all ratings, None without any. A version is None while the log does not hold the
    prediction. A day is that of receipt, in UTC. Feedback with several categories counts for each of them.
    """
    check_search(search)
    with open_feedback(stores, spec, with_versions=True, with_marks=True) as opened:
        counted, complete = opened.counts(search), opened.complete
    parts = {name: [row for row in counted if row["part"] == name] for name in ("all", "version", "category", "day")}
    [whole] = parts["all"]
    return {
        **_counts(whole),
        "ratings": {str(rating): whole[f"rated_{rating}"] for rating in range(LOWEST, HIGHEST + 1)},
        **{
            f"by_{name}": [{name: row["value"], **_counts(row)} for row in parts[name]]
            for name in ("version", "category", "day")
        },
        "complete": complete,
    }


def _counts(row: Mapping[str, Any]) -> dict[str, Any]:
    average = row["rating_sum"] / row["rated"] if row["rated"] else None
    return {**{name: row[name] for name in COUNTS}, "average_rating": average}
