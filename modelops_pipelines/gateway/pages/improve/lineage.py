"""The pages on lineage: where a piece of feedback went, and why a version is as it is.

Both name people, so they ask for the role of those who read the log, as the routes do.
"""

from modelops_pipelines.gateway.pages.files import endpoint_address
from modelops_pipelines.gateway.pages.numbers import version_of
from modelops_pipelines.gateway.pages.page_router import Answer, Page, PageRouter
from modelops_pipelines.gateway.pages.visits import Visit
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

_FEEDBACK_IDS = 100


def add_lineage_pages(pages: PageRouter, serving: Serving, stores: Stores) -> None:
    """Add the pages."""

    @pages.get("/endpoints/{endpoint}/improve/feedback/{feedback_id}", role="operate")
    def show_where(visit: Visit) -> Answer:
        from modelops_pipelines.gateway.pages.improve.lineage_flow import where_picture
        from modelops_pipelines.operations.improve.lineage.where import where

        spec = serving.endpoint(visit.path["endpoint"]).spec
        found = where(stores, spec, visit.path["feedback_id"], sees=visit.caller.sees_some)
        facts = {
            "spec": spec,
            "found": found,
            "picture": where_picture(found, endpoint_address(spec.name, "/release/versions/")),
        }
        return Page("feedback_lineage.html", facts, section="overview")

    @pages.get("/endpoints/{endpoint}/release/versions/{version}", role="operate")
    def show_why(visit: Visit) -> Answer:
        from modelops_pipelines.gateway.pages.improve.lineage_flow import why_picture
        from modelops_pipelines.operations.improve.lineage.why import why

        spec, version = serving.endpoint(visit.path["endpoint"]).spec, version_of(visit.path["version"])
        cursor = visit.query.get("cursor") or None
        found = why(stores, spec, version, limit=_FEEDBACK_IDS, cursor=cursor, sees=visit.caller.sees_some)
        return Page(
            "version_lineage.html", {"spec": spec, "found": found, "picture": why_picture(found)}, section="overview"
        )
