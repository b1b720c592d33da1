"""The asset of the review queue: how many items wait, how far reviewers agree, and the quality that they see."""

import dagster as dg

from modelops_pipelines.assets.metadata import asset_options, json_value, key
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.improve.review.agreement import review_summary
from modelops_pipelines.operations.improve.review.fill_queue import fill_queue
from modelops_pipelines.resources.project import ProjectResource

REVIEW_QUEUE = "review_queue"
_SOURCES = ("inference_log", "labels", "feedback")


def review_queue_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the queue; only for an endpoint whose YAML gives reasons to review."""
    about = f"Predictions for people to judge: {', '.join(spec.review.reasons)}. Materialize it to fill the queue."
    options = asset_options(spec, REVIEW_QUEUE, kinds=["table"], about=about)

    @dg.asset(**options, deps=[key(spec, name) for name in _SOURCES])
    def review_queue(modelops_project: ProjectResource) -> dg.MaterializeResult:
        with modelops_project.stores() as stores:
            filled = fill_queue(stores, spec)
            summary = review_summary(stores, spec)
            oldest = summary["oldest_open"]
            waited = None if oldest is None else round((stores.now() - oldest).total_seconds() / 3600, 1)
        quality, agreed = summary["quality"], summary["agreement"]
        numbers = {
            "added": dict(filled.added),
            "dropped": filled.dropped,
            "not_found": dict(filled.missing),
            "open": summary["open"],
            "done": summary["done"],
            "oldest_open_hours": waited,
            "kappa": agreed["kappa"],
            "kappa_reason": agreed["reason"],
            "items": summary["items"],
            **{f"quality_{name}": value for name, value in quality.items()},
        }
        return dg.MaterializeResult(
            metadata={name: json_value(value) for name, value in numbers.items() if value is not None}
        )

    return review_queue
