"""Silences: the list, making one, and ending one before its time."""

from datetime import datetime
from typing import Final

from modelops_pipelines.core.alerting.silencing.matchers import FIELDS, LABELS
from modelops_pipelines.core.durations import parse_duration
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.gateway.access.silence_scope import require_own_endpoint
from modelops_pipelines.gateway.pages.files import ROOT
from modelops_pipelines.gateway.pages.numbers import number_in
from modelops_pipelines.gateway.pages.page_router import Answer, Done, Page, PageRouter
from modelops_pipelines.gateway.pages.visits import Visit
from modelops_pipelines.store.stores import Stores

LIST: Final = f"{ROOT}/silences"
DURATIONS: Final = (
    ("1h", "1 hour"),
    ("4h", "4 hours"),
    ("12h", "12 hours"),
    ("1d", "1 day"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("", "no end: the weekly times below"),
)
"""How long a form silences: what ``parse_duration`` reads, and the words."""
MOST_LISTED: Final = 200


def add_silence_pages(pages: PageRouter, stores: Stores) -> None:
    """Add the pages; a key for some endpoints sees the silences that concern them, and ends those of its own."""

    @pages.get("/silences", role="read", filters_endpoints=True)
    def list_silences(visit: Visit) -> Answer:
        from modelops_pipelines.operations.alerting.views.silences import (
            concerns,
            describe_silence,
            find_silences,
            is_within,
        )

        now, over, own = stores.now(), visit.query.get("over") == "yes", visit.caller.endpoints
        found = [one for one in find_silences(stores, now, all_of_them=over) if concerns(one.matchers, own)]
        shown = found[:MOST_LISTED]
        facts = {
            "silences": [{**describe_silence(one, now), "own": is_within(one.matchers, own)} for one in shown],
            "left_out": len(found) - len(shown),
            "over": over,
            "durations": DURATIONS,
            "here": visit.address,
        }
        return Page("silences.html", facts, section="alerts")

    @pages.post("/silences", role="operate", filters_endpoints=True)
    def make_silence(visit: Visit) -> Answer:
        from modelops_pipelines.operations.alerting.life.act_on_alerts import silence

        matchers = _matchers(visit)
        require_own_endpoint(visit.caller, matchers)
        made = silence(
            stores,
            matchers,
            actor=visit.caller.name,
            reason=visit.required("reason"),
            until=_until(visit, stores.now()),
            weekly=visit.text("weekly") or None,
        )
        return Done(f"Silence {made.id} is made: nobody is told of the alerts that match it.", LIST)

    @pages.post("/silences/{number}/end", role="operate", filters_endpoints=True)
    def end_one(visit: Visit) -> Answer:
        from modelops_pipelines.operations.alerting.life.act_on_alerts import end_silence
        from modelops_pipelines.operations.alerting.views.silences import is_within, silence_numbered

        number = number_in(visit, "silence")
        silence_numbered(stores, number, lambda one: is_within(one.matchers, visit.caller.endpoints))
        end_silence(stores, number, visit.caller.name)
        said = f"Silence {number} is over. Alerts that opened meanwhile and are still open are told now."
        return Done(said, LIST)


def _matchers(visit: Visit) -> dict[str, str]:
    """Return the fields of the form that say which alerts; raises InputError for a label without a value."""
    found = {name: value for name in FIELDS if (value := visit.text(name))}
    for given in filter(None, (one.strip() for one in visit.text("labels").split(","))):
        name, equals, value = given.partition("=")
        if not (name and equals):
            raise InputError(f"The label {given[:80]!r} is not NAME=VALUE", "Write for example team=risk")
        found[f"{LABELS}{name.strip()}"] = value.strip()
    return found


def _until(visit: Visit, now: datetime) -> datetime | None:
    """Return when the silence ends, None for no end; raises InputError for a text that is no duration."""
    given = visit.text("for", 20)
    if not given:
        return None
    duration = parse_duration(given)
    if duration is None:
        raise InputError(f"{given!r} is not a duration", "Write for example 2h or 7d")
    return now + duration
