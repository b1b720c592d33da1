"""Routes on messages that no channel took: list them, and have them sent again under their ids."""

from typing import Any

from modelops_pipelines.gateway.http.alert_models import DeadLetterInfo, ResendMessage, Resent
from modelops_pipelines.gateway.http.guarded_router import CallerOf, Router
from modelops_pipelines.gateway.routes.releases import Limit
from modelops_pipelines.store.stores import Stores


def add_dead_letter_routes(router: Router, stores: Stores) -> None:
    """Add the routes. A key for some endpoints has the messages that tell of these alone."""

    @router.get(
        "/dead-letters",
        role="read",
        filters_endpoints=True,
        response_model=list[DeadLetterInfo],
    )
    def list_dead_letters(caller: CallerOf, limit: Limit = 100) -> list[dict[str, Any]]:
        """List the messages that were given up, newest first, with the last error."""
        from modelops_pipelines.operations.alerting.views.dead_letters import dead_letters

        return dead_letters(stores, caller.sees)[:limit]

    @router.post(
        "/dead-letters/resend", role="operate", filters_endpoints=True, response_model=Resent, error_statuses=(404,)
    )
    def resend(caller: CallerOf, message: ResendMessage) -> dict[str, Any]:
        """Have messages tried again, under the same ids, by which a receiver knows one that it has seen."""
        from modelops_pipelines.operations.alerting.views.dead_letters import resend as send_again

        return {"resent": send_again(stores, message.message_ids, caller.sees)}
