"""The release page of an endpoint, and the pages of its actions: first what would happen, then the outcome."""

from datetime import UTC, datetime

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.gateway.http.refused_versions import telling_why
from modelops_pipelines.gateway.pages.files import ROOT
from modelops_pipelines.gateway.pages.numbers import version_of
from modelops_pipelines.gateway.pages.page_router import Answer, Done, Page, PageRouter
from modelops_pipelines.gateway.pages.release.actions import Action, Asked, action_named, asked_of
from modelops_pipelines.gateway.pages.release.facts import past_state, release_facts
from modelops_pipelines.gateway.pages.visits import Visit
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

_RELEASE = "/endpoints/{endpoint}/release"
_LONGEST_TIME = 40


def add_release_pages(pages: PageRouter, serving: Serving, stores: Stores) -> None:
    """Add the pages."""

    @pages.get(_RELEASE, role="read")
    def show_release(visit: Visit) -> Answer:
        spec = serving.endpoint(visit.path["endpoint"]).spec
        at = visit.query.get("at", "")
        past = past_state(stores, spec, _moment(at)) if at else None
        own = {"asked_at": at, "past": past, "here": visit.address}
        return Page("release.html", {**release_facts(stores, serving, spec, visit.caller), **own})

    @pages.get("/endpoints/{endpoint}/checklist", role="read")
    def show_checklist(visit: Visit) -> Answer:
        from modelops_pipelines.operations.testing.checklist.checklist import deployment_checklist, describe_checklist

        spec, version = serving.endpoint(visit.path["endpoint"]).spec, visit.query.get("version", "")
        found = deployment_checklist(stores, spec, version_of(version) if version else None)
        return Page("checklist.html", {"spec": spec, "found": describe_checklist(found), "here": visit.address})

    @pages.get(f"{_RELEASE}/{{action}}", role="operate")
    def show_action(visit: Visit) -> Answer:
        action = action_named(visit.path["action"])
        asked = Asked(visit.query.get("version", "")[:_LONGEST_TIME], visit.caller.name, "", {})
        return _form(visit, action, asked, "")

    @pages.post(f"{_RELEASE}/{{action}}", role="operate")
    def act(visit: Visit) -> Answer:
        action, spec = action_named(visit.path["action"]), serving.endpoint(visit.path["endpoint"]).spec
        asked = asked_of(action, visit)
        with telling_why():
            if action.preview is not None and visit.text("confirmed") != "yes":
                return _form(visit, action, asked, action.preview(stores, spec, asked))
            said = action.run(stores, spec, asked)
        return Done(said, f"{ROOT}{_RELEASE.format(endpoint=spec.name)}")

    def _form(visit: Visit, action: Action, asked: Asked, would: str) -> Page:
        spec = serving.endpoint(visit.path["endpoint"]).spec
        return Page("release_action.html", {"spec": spec, "action": action, "asked": asked, "would": would})


def _moment(given: str) -> datetime:
    """Return a moment, of UTC without an offset; raises InputError."""
    try:
        found = datetime.fromisoformat(given[:_LONGEST_TIME])
    except ValueError as error:
        raise InputError(f"{given[:_LONGEST_TIME]!r} is not a time", "Use for example 2026-03-01T12:00") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
