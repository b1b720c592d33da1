"""The list of alerts, and an alert with all that is known of it; what a person woken at night opens."""

from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from modelops_pipelines.core.alerting.alerts import ACKNOWLEDGED, OPEN, PENDING, RESOLVED, WORST_FIRST
from modelops_pipelines.gateway.pages.alerting.silences import DURATIONS
from modelops_pipelines.gateway.pages.files import ROOT
from modelops_pipelines.gateway.pages.numbers import number_in, number_of
from modelops_pipelines.gateway.pages.page_router import Answer, Done, Page, PageRouter
from modelops_pipelines.gateway.pages.visits import Visit
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

SECTION, LIST = "alerts", f"{ROOT}/alerts"
MOST_LISTED: Final = 50
"""Alerts on one page of the list."""
STATES: Final[Mapping[str, Collection[str]]] = {
    "": (PENDING, OPEN, ACKNOWLEDGED),
    **{state: (state,) for state in (OPEN, ACKNOWLEDGED, PENDING, RESOLVED)},
    "all": (PENDING, OPEN, ACKNOWLEDGED, RESOLVED),
}
"""What the filter ``state`` may be, with the states that it shows; "" is all that are not resolved."""
_ALERT = "/alerts/{number}"
_FILTERS = ("endpoint", "state", "severity")
_ENDED = "When its rule fails again, a new alert opens"


def add_alert_pages(pages: PageRouter, serving: Serving, stores: Stores) -> None:
    """Add the pages; a person sees the alerts of the endpoints in scope."""

    @pages.get("/alerts", role="read", filters_endpoints=True)
    def list_alerts(visit: Visit) -> Answer:
        from modelops_pipelines.operations.alerting.views.alerts import describe_alerts

        found = _found(stores, visit)
        shown = found[:MOST_LISTED]
        chosen = {name: visit.query.get(name, "") for name in _FILTERS}
        given = {name: value for name, value in chosen.items() if value}
        names = sorted(served.spec.name for served in serving.endpoints() if visit.caller.sees(served.spec.name))
        facts = {
            "alerts": describe_alerts(stores, shown, stores.now()),
            "chosen": chosen,
            "states": STATES,
            "severities": WORST_FIRST,
            "endpoints": names,
            "older": _address(given | {"before": str(shown[-1].id)}) if len(found) > len(shown) else "",
            "newest": _address(given) if number_of(visit.query.get("before", "")) is not None else "",
            "here": visit.address,
        }
        return Page("alerts.html", facts, section=SECTION)

    @pages.get(_ALERT, role="read", filters_endpoints=True)
    def show_alert(visit: Visit) -> Answer:
        from modelops_pipelines.operations.alerting.views.alerts import (
            alert_details,
            alert_numbered,
            describe_alerts,
            message_on,
        )

        alert = alert_numbered(stores, number_in(visit, "alert"), visit.caller.sees)
        now = stores.now()
        facts: dict[str, Any] = {"here": visit.address, "durations": DURATIONS}
        if visit.is_fragment:
            return Page("alert.html", facts | {"alert": describe_alerts(stores, [alert], now)[0]}, section=SECTION)
        details = alert_details(stores, alert, message_on(stores, alert, now), now)
        links = [link for link in details["links"] if not link["url"].endswith(f"{LIST}/{alert.id}")]
        matchers = {"endpoint": alert.endpoint, "rule": alert.rule}
        return Page("alert.html", facts | {"alert": details, "links": links, "matchers": matchers}, section=SECTION)

    @pages.post(f"{_ALERT}/acknowledge", role="operate", filters_endpoints=True)
    def acknowledge_alert(visit: Visit) -> Answer:
        from modelops_pipelines.operations.alerting.life.act_on_alerts import acknowledge
        from modelops_pipelines.operations.alerting.views.alerts import alert_numbered

        number = number_in(visit, "alert")
        alert_numbered(stores, number, visit.caller.sees)
        acknowledge(stores, number, visit.caller.name, visit.text("note") or None)
        return Done(f"Alert {number} is acknowledged: it is not escalated.", f"{LIST}/{number}")

    @pages.post(f"{_ALERT}/resolve", role="operate", filters_endpoints=True)
    def resolve_alert(visit: Visit) -> Answer:
        from modelops_pipelines.operations.alerting.life.act_on_alerts import resolve
        from modelops_pipelines.operations.alerting.views.alerts import alert_numbered

        number = number_in(visit, "alert")
        alert_numbered(stores, number, visit.caller.sees)
        resolve(stores, number, visit.caller.name, visit.required("reason"))
        return Done(f"Alert {number} is resolved. {_ENDED}.", f"{LIST}/{number}")


def _found(stores: Stores, visit: Visit) -> list[Any]:
    """Return the alerts that the filters choose, and one more than a page shows if there is one."""
    from modelops_pipelines.operations.alerting.views.alerts import alerts_page

    endpoint, state, severity, before = (visit.query.get(name, "") for name in (*_FILTERS, "before"))
    return alerts_page(
        stores,
        endpoint or None,
        STATES.get(state, STATES[""]),
        within=visit.caller.endpoints,
        severity=severity or None,
        before=number_of(before),
        most=MOST_LISTED + 1,
    )


def _address(query: Mapping[str, str]) -> str:
    return f"{LIST}?{urlencode(query)}" if query else LIST
