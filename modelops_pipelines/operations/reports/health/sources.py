"""Where the numbers of each section come from: a query, a route and a CSV file with the same rows, and assets."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlencode

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validation.slos import QUALITY as ON_QUALITY
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import QUALITY_METRICS, SERVICE_METRICS, WHOLE
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.metrics.window_rows import TABLES
from modelops_pipelines.operations.reports.health.selection import Selection
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.settings import Settings
from modelops_pipelines.store.stores import Stores

_ACTIVE_IN_QUOTES = re.compile(r'["$`\\!]')


@dataclass(frozen=True)
class Asset:
    """An asset in Dagster: its key as people write it, and its page; None where nobody knows Dagster's address."""

    key: str
    address: str | None


@dataclass(frozen=True)
class Source:
    """A command and a route that give a section's numbers, its assets, and the table to export, if there is one."""

    command: str
    route: str
    assets: Sequence[Asset]
    table: str | None = None


def sources_of(stores: Stores, spec: EndpointSpec, selection: Selection) -> Mapping[str, Source]:
    """Return the sources of each section: of every table of ``window_rows``, of objectives and of alerts."""
    settings = stores.settings
    found = {name: _of_table(settings, spec, selection, name) for name in TABLES}
    slos = [SERVICE_METRICS, *([QUALITY_METRICS] if any(slo.kind == ON_QUALITY for slo in spec.slos) else [])]
    base = f"GET /endpoints/{spec.name}"
    health = Source(f"modelops health-score {spec.name}", f"{base}/health-score", _assets(settings, spec, slos))
    return {
        **found,
        "health": health,
        "slos": Source(f"modelops slo {spec.name}", f"{base}/slos", _assets(settings, spec, slos)),
        "alerts": Source(f"modelops alert list {spec.name}", f"GET /alerts?endpoint={spec.name}", []),
    }


def _of_table(settings: Settings, spec: EndpointSpec, selection: Selection, name: str) -> Source:
    table = TABLES[name].table
    command = f"modelops sql -e {spec.name} {_in_shell(_query(spec, selection, name))}"
    path, _, fixed = TABLES[name].route.partition("?")
    asked = {"windows": selection.windows, "version": selection.version}
    asked["segment"] = selection.segment if name == "quality" else None
    query = urlencode({key: value for key, value in asked.items() if value is not None})
    route = f"GET /endpoints/{spec.name}/{path}?{'&'.join(part for part in (fixed, query) if part)}"
    return Source(command, route, _assets(settings, spec, [table]), name)


def _query(spec: EndpointSpec, selection: Selection, name: str) -> str:
    equal = {} if selection.version is None else {"model_version": selection.version}
    if name == "quality" and selection.segment is None:
        equal["segment"] = WHOLE
    elif name == "quality":
        feature, _, value = str(selection.segment).partition("=")
        equal |= {"segment": unquote(feature), "segment_value": unquote(value)}
    hours = (selection.windows - 1) * LENGTH[spec.window] // LENGTH["hour"]
    other_than = {"segment": WHOLE} if name == "segments" else {}
    return sql.rows_to_show(TABLES[name].table, spec.window, hours, equal, other_than)


def _assets(settings: Settings, spec: EndpointSpec, tables: Sequence[Table]) -> list[Asset]:
    known = settings.dagster_url is not None or settings.public_url is None
    base = settings.links_to_dagster if known else None  # else its address is one of this machine alone
    return [
        Asset(f"{spec.name}/{table.name}", None if base is None else f"{base}/assets/{spec.name}/{table.name}")
        for table in tables
    ]


def _in_shell(query: str) -> str:
    """Return a query as an argument in a shell: in double quotes where nothing in it is active there."""
    return shlex.quote(query) if _ACTIVE_IN_QUOTES.search(query) or not query.isprintable() else f'"{query}"'
