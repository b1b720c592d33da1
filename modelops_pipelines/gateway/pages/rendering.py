"""Renders the pages' templates, with the security headers that every page has."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from starlette.responses import HTMLResponse

from modelops_pipelines.gateway.pages.files import address_of
from modelops_pipelines.operations.reports.svg import figure

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "vary": "Cookie",
}
"""No inline script or style, no frame around the page, nothing of another host, nothing kept in a cache."""
REPORTS = "modelops_pipelines.operations.reports"
"""Whose templates have the parts that pages share with files."""
_MAKING = threading.Lock()
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def render(template: str, facts: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """Return a page made of a template of ``templates``, here or of REPORTS; all values are escaped."""
    return HTMLResponse(_environment().get_template(template).render(facts), status, dict(HEADERS))


def _environment() -> Any:
    with _MAKING:
        return _make_environment()


@cache
def _make_environment() -> Any:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=ChoiceLoader([PackageLoader("modelops_pipelines.gateway.pages"), PackageLoader(REPORTS)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"clock": clock, "ago": ago, "figure": shown, "svg": Markup, "words": words}
    environment.globals |= {"file": address_of}
    return environment


def clock(moment: datetime | str | None) -> str:
    """Return a moment as people read it, in UTC; "never" for none."""
    found = _moment(moment)
    return "never" if found is None else f"{found.astimezone(UTC):%Y-%m-%d %H:%M}"


def ago(moment: datetime | str | None, now: datetime) -> str:
    """Return how long ago a moment was, in its largest unit; "never" for none."""
    found = _moment(moment)
    if found is None:
        return "never"
    seconds = max(0.0, (now - found).total_seconds())
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def shown(value: float | None, form: Any = "number") -> str:
    """Return a number for people, "none" where there is none; ``form`` as in ``svg.figure``."""
    return "none" if value is None else figure(value, form)


def words(name: str) -> str:
    """Return a name of the code as words."""
    return name.replace("_", " ")


def _moment(given: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(given) if isinstance(given, str) else given
