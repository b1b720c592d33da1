"""Routes on alerts: list and show them, acknowledge and resolve them. A key for some endpoints has those of its own.

They call the same operations as the CLI.
"""

from typing import Annotated, Any

from fastapi import Path, Query

from modelops_pipelines.gateway.http.alert_models import (
    AlertDetails,
    AlertInfo,
    NoteMessage,
    ResolveMessage,
    Severity,
    State,
)
from modelops_pipelines.gateway.http.guarded_router import NAME_LENGTH, CallerOf, Router
from modelops_pipelines.gateway.routes.releases import Limit
from modelops_pipelines.store.stores import Stores

MOST_ID = 2**53
Number = Annotated[int, Path(ge=1, le=MOST_ID)]
OneEndpoint = Annotated[str, Query(max_length=NAME_LENGTH, description="alerts of this endpoint only")]
States = Annotated[list[State] | None, Query(max_length=4, description="default: pending, open and acknowledged")]
OneSeverity = Annotated[Severity, Query(description="alerts of this severity only")]
Before = Annotated[int, Query(ge=1, le=MOST_ID, description="alerts with a smaller number: the next page")]
_ALERT = "/alerts/{number}"


def add_alert_routes(router: Router, stores: Stores) -> None:
    """Add the routes."""

    @router.get("/alerts", role="read", filters_endpoints=True, response_model=list[AlertInfo])
    def list_alerts(
        caller: CallerOf,
        endpoint: OneEndpoint | None = None,
        state: States = None,
        severity: OneSeverity | None = None,
        before: Before | None = None,
        limit: Limit = 100,
    ) -> list[dict[str, Any]]:
        """List the alerts of the endpoints in the key's scope, newest first; by default those not resolved."""
        from modelops_pipelines.operations.alerting.views.alerts import UNRESOLVED, alerts_page, describe_alerts

        found = alerts_page(
            stores,
            endpoint,
            state or UNRESOLVED,
            within=caller.endpoints,
            severity=severity,
            before=before,
            most=limit,
        )
        return describe_alerts(stores, found, stores.now())

    @router.get(_ALERT, role="read", filters_endpoints=True, response_model=AlertDetails)
    def show_alert(number: Number, caller: CallerOf) -> dict[str, Any]:
        """Show an alert with its history, the messages that told of it, likely causes, and pages to open."""
        from modelops_pipelines.operations.alerting.views.alerts import alert_details, alert_numbered, message_on

        found = alert_numbered(stores, number, caller.sees)
        now = stores.now()
        return alert_details(stores, found, message_on(stores, found, now), now)

    @router.post(
        f"{_ALERT}/acknowledge",
        role="operate",
        filters_endpoints=True,
        response_model=AlertInfo,
        error_statuses=(409,),
    )
    def acknowledge_alert(number: Number, caller: CallerOf, message: NoteMessage | None = None) -> dict[str, Any]:
        """Acknowledge an alert: somebody looks after it, and it is not escalated, until it is resolved or worse."""
        from modelops_pipelines.operations.alerting.life.act_on_alerts import acknowledge
        from modelops_pipelines.operations.alerting.views.alerts import alert_numbered, describe_alerts

        alert_numbered(stores, number, caller.sees)
        note = message.note if message else ""
        changed = acknowledge(stores, number, caller.name, note or None)
        return describe_alerts(stores, [changed], stores.now())[0]

    @router.post(
        f"{_ALERT}/resolve", role="operate", filters_endpoints=True, response_model=AlertInfo, error_statuses=(409,)
    )
    def resolve_alert(number: Number, caller: CallerOf, message: ResolveMessage) -> dict[str, Any]:
        """Resolve an alert by hand, with a reason. When its rule fails again, an alert opens again."""
        from modelops_pipelines.operations.alerting.life.act_on_alerts import resolve
        from modelops_pipelines.operations.alerting.views.alerts import alert_numbered, describe_alerts

        alert_numbered(stores, number, caller.sees)
        changed = resolve(stores, number, caller.name, message.reason)
        return describe_alerts(stores, [changed], stores.now())[0]
