"""Routes on silences. A key for some endpoints makes and ends those that name one of them exactly."""

from typing import Annotated, Any

from fastapi import Query

from modelops_pipelines.gateway.access.silence_scope import require_own_endpoint
from modelops_pipelines.gateway.http.alert_models import SilenceInfo, SilenceMessage, SilenceStatus
from modelops_pipelines.gateway.http.guarded_router import CallerOf, Router
from modelops_pipelines.gateway.routes.alerting.alerts import Number
from modelops_pipelines.store.stores import Stores

OneStatus = Annotated[SilenceStatus, Query(description="default: active and waiting")]


def add_silence_routes(router: Router, stores: Stores) -> None:
    """Add the routes."""

    @router.get("/silences", role="read", filters_endpoints=True, response_model=list[SilenceInfo])
    def list_silences(caller: CallerOf, status: OneStatus | None = None) -> list[dict[str, Any]]:
        """List the silences that concern the endpoints in the key's scope, newest first."""
        from modelops_pipelines.operations.alerting.views.silences import concerns, describe_silence, find_silences

        now = stores.now()
        found = find_silences(stores, now, all_of_them=status == "over")
        rows = [describe_silence(one, now) for one in found if concerns(one.matchers, caller.endpoints)]
        return [row for row in rows if status in (None, row["status"])]

    @router.post(
        "/silences",
        role="operate",
        filters_endpoints=True,
        status_code=201,
        response_model=SilenceInfo,
        error_statuses=(409,),
    )
    def make_silence(caller: CallerOf, message: SilenceMessage) -> dict[str, Any]:
        """Send nobody the messages of the alerts that match, for a time or every week. They are listed all the same."""
        from modelops_pipelines.operations.alerting.life.act_on_alerts import silence
        from modelops_pipelines.operations.alerting.views.silences import describe_silence

        require_own_endpoint(caller, message.matchers)
        made = silence(
            stores,
            message.matchers,
            actor=caller.name,
            reason=message.reason,
            until=message.until,
            weekly=message.weekly,
            starts_at=message.starts_at,
        )
        return describe_silence(made, stores.now())

    @router.delete(
        "/silences/{number}",
        role="operate",
        filters_endpoints=True,
        response_model=SilenceInfo,
        error_statuses=(409,),
    )
    def end_one(number: Number, caller: CallerOf) -> dict[str, Any]:
        """End a silence now; alerts that opened meanwhile and are still open are told then."""
        from modelops_pipelines.operations.alerting.life.act_on_alerts import end_silence
        from modelops_pipelines.operations.alerting.views.silences import describe_silence, is_within, silence_numbered

        silence_numbered(stores, number, lambda one: is_within(one.matchers, caller.endpoints))
        return describe_silence(end_silence(stores, number, caller.name), stores.now())
