"""Routes on lineage: why a version is as it is, and where a piece of feedback went.

Both name people (who gave, accepted and reviewed feedback), so they ask for the role of those who read the log.
"""

from typing import Annotated

from fastapi import Path, Query

from modelops_pipelines.core.improve.lineage.answers import Where, Why
from modelops_pipelines.gateway.http.guarded_router import CallerOf, EndpointName, Router
from modelops_pipelines.gateway.routes.releases import Cursor, Limit, Version
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

VersionNumber = Annotated[Version, Path()]
FeedbackId = Annotated[str, Path(max_length=100, pattern="^[A-Za-z0-9_-]+$", description="the feedback's id")]
Listed = Annotated[Limit, Query(description="feedback ids on a page")]


def add_lineage_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes."""

    @router.get("/endpoints/{endpoint}/versions/{version}/why", role="operate", response_model=Why)
    def show_why(
        endpoint: EndpointName,
        version: VersionNumber,
        caller: CallerOf,
        limit: Listed = 100,
        cursor: Cursor | None = None,
    ) -> Why:
        """Show why a version is as it is: its data, feedback, checks, training, signals, gate, trials and people.

        Parts that are not known are null or empty, and ``unknown`` says why. The feedback's ids come in pages. Of other
        endpoints of the model it tells those in the key's scope.
        """
        from modelops_pipelines.operations.improve.lineage.why import why

        spec = serving.endpoint(endpoint).spec
        return why(stores, spec, version, limit=limit, cursor=cursor, sees=caller.sees_some)

    @router.get("/endpoints/{endpoint}/feedback/{feedback_id}/where", role="operate", response_model=Where)
    def show_where(endpoint: EndpointName, feedback_id: FeedbackId, caller: CallerOf) -> Where:
        """Show where a piece of feedback went: its prediction, acceptance, training sets, versions, what is live now.

        Deleted feedback says so, and the sets and versions that hold it are still named.
        """
        from modelops_pipelines.operations.improve.lineage.where import where

        return where(stores, serving.endpoint(endpoint).spec, feedback_id, sees=caller.sees_some)
