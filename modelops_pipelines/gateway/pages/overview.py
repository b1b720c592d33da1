"""The first page: every endpoint, those that need a person first, and where the loop stands."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import RedirectResponse

from modelops_pipelines.gateway.http.guarded_router import PUBLIC
from modelops_pipelines.gateway.pages.files import ROOT
from modelops_pipelines.gateway.pages.page_router import SEE_OTHER, Answer, Page, PageRouter
from modelops_pipelines.gateway.pages.rendering import render
from modelops_pipelines.gateway.pages.shared_parts import SharedParts
from modelops_pipelines.gateway.pages.sparkline import sparkline
from modelops_pipelines.gateway.pages.summary_refresh import SummaryRefresh
from modelops_pipelines.gateway.pages.visits import Visit
from modelops_pipelines.gateway.routes.overview import seen_by
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.reports.overview import tone_of_health
from modelops_pipelines.operations.reports.stages import stages_of
from modelops_pipelines.store.stores import Stores

FILTERS = ("status", "owner", "tag", "task", "platform", "text")


def add_overview(pages: PageRouter, serving: Serving, stores: Stores) -> None:
    """Add the page; a person sees the endpoints in scope. Those of one scope share what a refresh shows."""
    refresh, kept = SummaryRefresh(stores), SharedParts()

    @pages.get("", role=PUBLIC)
    def to_overview(_: Visit) -> Answer:
        return RedirectResponse(f"{ROOT}/", SEE_OTHER)

    @pages.get("/", role="read", filters_endpoints=True)
    def show_overview(visit: Visit) -> Answer:
        if visit.is_fragment:
            return kept.show((visit.caller.endpoints, visit.address), lambda: _live_part(visit))
        return Page("overview.html", _facts(visit), section="overview")

    def _live_part(visit: Visit) -> bytes:
        own = {"root": ROOT, "now": stores.now(), "whole": False}
        return bytes(render("overview.html", {**_facts(visit), **own}).body)

    def _facts(visit: Visit) -> dict[str, Any]:
        rows = seen_by(serving, stores, visit.caller)
        refresh.look([served.spec for served in serving.endpoints()], rows)
        shown = _filtered(rows, visit.query)
        for row in shown:
            row["tone"] = tone_of_health(None if row["summary"] is None else row["summary"]["health"]["score"])
            row["traffic"] = None if row["summary"] is None else sparkline(row["summary"]["traffic"]["hours"])
        return {
            "rows": shown,
            "all": len(rows),
            "choices": _choices(rows),
            "chosen": {name: visit.query.get(name, "") for name in FILTERS},
            "stages": stages_of(rows),
            "here": visit.address,
        }


def _filtered(rows: Sequence[dict[str, Any]], query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rows that fit every filter that is given; ``text`` is looked for in name and description."""
    status, owner, tag, task, platform, text = (query.get(name, "").strip() for name in FILTERS)
    return [
        row
        for row in rows
        if status in ("", row["status"])
        and (not owner or owner in row["owners"])
        and (not tag or tag in row["tags"])
        and task in ("", row["task"])
        and platform in ("", row["platform"])
        and text.lower() in f"{row['name']} {row['description']}".lower()
    ]


def _choices(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[str, int]]]:
    """Return the values of each filter with the number of endpoints that have it, the most frequent first."""
    counts = {
        "status": Counter(row["status"] for row in rows),
        "owner": Counter(owner for row in rows for owner in row["owners"]),
        "tag": Counter(tag for row in rows for tag in row["tags"]),
        "task": Counter(row["task"] for row in rows),
        "platform": Counter(row["platform"] for row in rows),
    }
    return {name: counted.most_common() for name, counted in counts.items()}
