"""How one endpoint does: live, over a range of time, by version and by segment; and its numbers as CSV."""

import hashlib
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

from starlette.responses import Response

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.gateway.http.csv_files import csv_response
from modelops_pipelines.gateway.pages.files import endpoint_address
from modelops_pipelines.gateway.pages.page_router import Answer, Page, PageRouter
from modelops_pipelines.gateway.pages.rendering import HEADERS
from modelops_pipelines.gateway.pages.visits import Visit
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

LIVE_SECONDS = 300
UNCHANGED = 204
"""Answers a refresh of a part that would look the same: the page leaves what it shows."""
_MINUTE = 60
_ENDPOINT = "/endpoints/{endpoint}"
_CHOICES = ("range", "version", "segment")


def add_endpoint_page(pages: PageRouter, serving: Serving, stores: Stores) -> None:
    """Add the page, its live numbers, and its tables as CSV."""

    @pages.get(_ENDPOINT, role="read")
    def show_endpoint(visit: Visit) -> Answer:
        spec = serving.endpoint(visit.path["endpoint"]).spec
        facts = _facts(stores, spec, visit.query, is_whole=not visit.is_fragment)
        if visit.is_fragment and visit.query.get("seen") == facts["digest"]:
            return Response(status_code=UNCHANGED, headers=dict(HEADERS))
        return Page("endpoint.html", {**facts, "now_live": _live(serving, spec)}, section="overview")

    @pages.get(f"{_ENDPOINT}/live", role="read")
    def show_live(visit: Visit) -> Answer:
        spec = serving.endpoint(visit.path["endpoint"]).spec
        facts = {"spec": spec, "now_live": _live(serving, spec), "live_address": endpoint_address(spec.name, "/live")}
        return Page("endpoint_live.html", facts, section="overview")

    @pages.get(f"{_ENDPOINT}/{{table}}.csv", role="read")
    def save_table(visit: Visit) -> Answer:
        from modelops_pipelines.operations.metrics.window_rows import BY_SEGMENT
        from modelops_pipelines.operations.reports.csv_export import export

        spec, table = serving.endpoint(visit.path["endpoint"]).spec, visit.path["table"]
        selection, _ = _selected(stores, spec, visit.query)
        segment = selection.segment if table in BY_SEGMENT else None
        return csv_response(export(stores, spec, table, selection.windows, version=selection.version, segment=segment))


def _facts(stores: Stores, spec: EndpointSpec, query: Mapping[str, str], *, is_whole: bool) -> dict[str, Any]:
    """Return what the page shows; the versions to choose from stand on the whole page alone."""
    from modelops_pipelines.operations.metrics.window_rows import segment_text
    from modelops_pipelines.operations.reports.health.facts import current_facts, shown_measures
    from modelops_pipelines.operations.reports.health.kept import kept_health, kept_measures
    from modelops_pipelines.operations.reports.health.selection import RANGES, USUAL
    from modelops_pipelines.operations.reports.health.sources import sources_of

    selection, registered = _selected(stores, spec, query, with_versions=is_whole)
    kept = kept_measures(stores, spec, selection)
    measured, current = kept.measured, current_facts(stores, spec, kept.measured, kept_health(stores, spec))
    lasting = {name: value for name, value in current.items() if name != "now"}
    digest = hashlib.sha256(repr((kept.digest, lasting)).encode()).hexdigest()
    chosen = {name: query.get(name, "") for name in _CHOICES}
    given = {name: value for name, value in chosen.items() if value}
    return {
        **shown_measures(measured),
        **current,
        "measured": measured,
        "time_line": kept.time_line,
        "ranges": list(RANGES),
        "versions": list(dict.fromkeys([*reversed(registered), *measured.versions])),
        "segments": [(segment_text(*one), " = ".join(one)) for one in measured.segment_values],
        "chosen": {**chosen, "range": chosen["range"] or USUAL[spec.window]},
        "segment_words": " = ".join(unquote(part) for part in chosen["segment"].split("=")),
        "sources": sources_of(stores, spec, selection),
        "asked": f"?{urlencode(given)}" if given else "",
        "digest": digest,
        "live_part": f"?{urlencode({**given, 'seen': digest})}",
        "address": endpoint_address(spec.name),
        "live_address": endpoint_address(spec.name, "/live"),
    }


def _selected(
    stores: Stores, spec: EndpointSpec, query: Mapping[str, str], *, with_versions: bool = False
) -> tuple[Any, list[str]]:
    """Return what is chosen, and the registered versions if they matter; raises InputError for what there is not."""
    from modelops_pipelines.operations.metrics.window_rows import segment_text
    from modelops_pipelines.operations.reports.health.kept import kept_measures
    from modelops_pipelines.operations.reports.health.selection import (
        Selection,
        check_segment,
        check_version,
        windows_of,
    )

    windows = windows_of(query.get("range", ""), spec)
    version, segment = query.get("version") or None, query.get("segment") or None
    matter = with_versions or version is not None
    registered = [one.version for one in stores.deployments.versions(spec.model_name)] if matter else []
    unsure = (version is not None and version not in registered) or segment is not None
    everything = kept_measures(stores, spec, Selection(windows)).measured if unsure else None
    if version is not None and everything is not None:
        check_version(version, [*registered, *everything.versions])
    if segment is not None and everything is not None:
        check_segment(stores, spec, segment, [segment_text(*one) for one in everything.segment_values])
    return Selection(windows, version, segment), registered


def _live(serving: Serving, spec: EndpointSpec) -> dict[str, Any] | None:
    """Return the live numbers of all workers; None where others serve the endpoint."""
    if spec.is_elsewhere:
        return None
    found = serving.live(spec.name, time.time(), LIVE_SECONDS)
    return {
        "requests": found["requests"],
        "per_minute": found["requests"] * _MINUTE / LIVE_SECONDS,
        "error_rate": found["error_rate"],
        "server_errors": found["server_errors"],
        "p95_ms": found["latency_ms"]["p95"],
        "p50_ms": found["latency_ms"]["p50"],
    }
