"""The cells of the matrix of teams, made from the routes that the application declares.

A cell is a request that names something of another team, and the same request with a name of nothing: both are to be
answered alike. A route with a new kind of id, or with a body that nobody has written here, has no cell, and fails.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.http.guarded_router import declared_roles
from modelops_pipelines.gateway.routes.application import make_application
from tests.fakes.gateway_routes import ROUTES

OWN = "alpha"
WHOLE = frozenset({"GET /health", "GET /docs", "GET /openapi.json"})
"""Routes of the whole gateway: refused to every key that is not."""
PLAIN = frozenset({"GET /health/live", "GET /docs/static/{name}"})
"""Routes that are for all and name nothing."""
LISTS = frozenset(
    {
        "GET /endpoints",
        "GET /models",
        "GET /overview",
        "GET /deployments",
        "GET /alerts",
        "GET /silences",
        "GET /dead-letters",
        "GET /keys",
    }
)
NOTHING = {
    "endpoint": "ghost", "team": "none", "name": "drift-2026-01-02.html", "rule": "latency_p98", "version": "77",
    "message_id": "msg_of_nobody_", "idempotency_key": "nobody-deploys-it", "content_hash": "c" * 64,
    "key_id": "a" * 10, "feedback_id": "f" * 32, "prediction_id": f"{'a' * 40}-0", "alert": "901", "silence": "902",
    "item": "903", "model": "ghosts",
}  # fmt: skip
"""Names of nothing at all, for each kind of id."""
_UNTIL = "2100-01-01T00:00:00Z"
_BODIES: dict[str, Sequence[Any]] = {
    "POST /endpoints/{endpoint}/labels": ({"labels": [{"prediction_id": "{prediction_id}", "label": "1"}]},),
    "POST /endpoints/{endpoint}/feedback": ({"prediction_id": "{prediction_id}", "rating": 5},),
    "POST /endpoints/{endpoint}/deployments": ({"version": "{version}"}, {"version": "{version}", "force": True}),
    "POST /endpoints/{endpoint}/promote": ({"version": "{version}"},),
    "POST /endpoints/{endpoint}/evaluations": ({"version": "{version}"},),
    "POST /endpoints/{endpoint}/rollback": ({"to": "{version}"}, {"undo": True, "reason": "x"}),
    "POST /endpoints": (
        {"name": "newest", "task": "regression", "label": "x", "owners": ["team:{team}"]},
        {"name": "newest", "task": "regression", "label": "x", "owners": ["team:red"], "model_name": "{model}"},
    ),
    "POST /silences": ({"matchers": {"endpoint": "{endpoint}"}, "reason": "x", "until": _UNTIL},),
    "POST /dead-letters/resend": ({"message_ids": ["{message_id}"]},),
    "POST /keys": (
        {"name": "new", "roles": ["read"], "team": "{team}"},
        {"name": "new", "roles": ["read"], "endpoints": ["{endpoint}"]},
        {"name": "new", "roles": ["read"], "team": "red", "endpoints": ["{endpoint}"]},
    ),
}
"""Bodies that name things; those of other routes are of ``gateway_routes``."""
_QUERIES: dict[str, Sequence[str]] = {
    "GET /health/ready": ("?endpoint={endpoint}",),
    "GET /alerts": ("?endpoint={endpoint}&state=open&state=resolved",),
    "GET /endpoints/{endpoint}/history": (f"?at={_UNTIL}",),
    "GET /endpoints/{endpoint}/logs": ("", "?request_id={prediction_id}"),
    "GET /endpoints/{endpoint}/feedback": ("", "?prediction_id={prediction_id}"),
}
_KNOWN_BODIES = {route.name: route.body for route in ROUTES}
_PARAMETER = re.compile(r"\{(\w+)\}")
_NUMBERED = {"/alerts/": "alert", "/silences/": "silence"}
"""Which number a path's ``number`` is."""
_TABLE = "traffic"
"""What a path's ``table`` is: every endpoint has the same tables, so their names are nobody's ids."""


@dataclass(frozen=True)
class Ask:
    """A request."""

    method: str
    path: str
    body: Any = None


@dataclass(frozen=True)
class Cell:
    """A request with ids left open: ``{feedback_id}`` in its path or body."""

    route: str
    method: str
    path: str
    body: str
    is_own: bool

    def ask(self, ids: Mapping[str, str]) -> Ask:
        """Return the request with these ids; on the caller's own endpoint where the cell is one of these."""
        given = {**ids, "endpoint": OWN} if self.is_own else ids
        return Ask(self.method, _filled(self.path, given), json.loads(_filled(self.body, given)))


def declared() -> list[str]:
    """Return the routes that the application declares, as ``METHOD path``."""
    application = make_application(None, None, Keyring(), None, None, None)  # type: ignore[arg-type] # none is asked
    return sorted(declared_roles(application))


def cells_of(route: str) -> list[Cell]:
    """Return the cells of a route; none of one that is of the whole gateway, or names nothing.

    Raises KeyError for a route or a kind of id that is not known here.
    """
    method, _, template = route.partition(" ")
    if route in WHOLE | PLAIN:
        return []
    path = _path(template)
    bodies = [json.dumps(one) for one in _BODIES.get(route, (_KNOWN_BODIES[route],))]
    cells = [
        Cell(route, method, path + query, body, is_own)
        for query in _QUERIES.get(route, ("",))
        for body in bodies
        for is_own in (False, True)
        if _names(path + query + body, is_own=is_own)
    ]
    if not cells and route not in LISTS:
        raise KeyError(route)
    return cells


def without_ids(text: str, cell: Cell, ids: Mapping[str, str]) -> str:
    """Return an answer with the ids of its request taken out of it."""
    named = {name for name in _PARAMETER.findall(cell.path + cell.body) if name in NOTHING}
    for name in sorted(named - ({"endpoint"} if cell.is_own else set()), key=lambda name: -len(ids[name])):
        text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(ids[name])}(?![A-Za-z0-9])", f"<{name}>", text)
    return text


def _path(template: str) -> str:
    """Return a template whose ``number`` says of what; raises KeyError for a parameter that is not known here."""
    path = next(
        (template.replace("{number}", f"{{{kind}}}") for part, kind in _NUMBERED.items() if part in template), template
    )
    path = path.replace("{table}", _TABLE)
    unknown = [name for name in _PARAMETER.findall(path) if name not in NOTHING]
    if unknown:
        raise KeyError(unknown[0])
    return path


def _names(text: str, *, is_own: bool) -> bool:
    """Return whether a request names a thing: on an own endpoint one beside that endpoint."""
    named = {name for name in _PARAMETER.findall(text) if name in NOTHING}
    return bool(named - {"endpoint"}) and "{endpoint}" in text if is_own else bool(named)


def _filled(text: str, ids: Mapping[str, str]) -> str:
    return _PARAMETER.sub(lambda found: ids.get(found[1], found[0]), text)
