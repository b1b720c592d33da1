"""An endpoint's health as one HTML page: a self-contained file that loads nothing, and can be sent by mail.

It is built from the derived tables alone; the log is not read. All text on it is untrusted, and is escaped.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.operations.lake.queries import newest_reader
from modelops_pipelines.operations.reports.health.cards import format_value
from modelops_pipelines.operations.reports.health.facts import health_facts
from modelops_pipelines.operations.reports.health.selection import SHOWN, Selection
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.stores import Stores


def write_health_page(stores: Stores, spec: EndpointSpec, windows: int | None = None) -> Path:
    """Write the page of the endpoint's last windows (by default SHOWN); return its file, ``health.html``.

    A section without data yet says so; nothing is raised for it.
    """
    path = stores.settings.reports / spec.name / "health.html"
    page = _render(health_facts(stores, spec, Selection(windows or SHOWN[spec.window])))
    write_atomically(path, page.encode("utf-8", "replace"))
    return path


def has_requests(stores: Stores, spec: EndpointSpec) -> bool:
    """Whether any window of the endpoint has been measured: without one the page's charts are empty."""
    with newest_reader(stores, spec) as read:
        return bool(read(SERVICE_METRICS, 1))


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _render(facts: Mapping[str, Any]) -> str:
    """Fill in the template. The page's security policy allows its own style, by hash, and nothing else."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    package = "modelops_pipelines.operations.reports"
    style = files(package).joinpath("templates", "health.css").read_text(encoding="utf-8")
    style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"clock": _clock, "figure": format_value, "svg": Markup}
    template = environment.get_template("health.html")
    return template.render(facts, style=Markup(style), style_hash=style_hash)  # noqa: S704 - our own style file
