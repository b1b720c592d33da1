"""The pages' own files: style, script and htmx, each at an address that changes with its content."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.responses import Response

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.gateway.http.guarded_router import PUBLIC
from modelops_pipelines.gateway.pages.page_router import ROOT, PageRouter
from modelops_pipelines.gateway.pages.visits import Visit

TYPES: Final = {
    "pages.css": "text/css; charset=utf-8",
    "pages.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The files that browsers get, with their types."""
_FOREVER = "public, max-age=31536000, immutable"


def add_static_files(pages: PageRouter) -> None:
    """Add the files; anybody may read them, they say nothing of this installation."""

    @pages.get("/static/{stamp}/{name}", role=PUBLIC)
    def show_file(visit: Visit) -> Response:
        name = visit.path["name"]
        if name not in TYPES:
            raise UnknownError(f"There is no file {name[:80]!r}", "Open a page: it loads the files that exist")
        headers = {"cache-control": _FOREVER, "x-content-type-options": "nosniff"}
        return Response(_content(name), media_type=TYPES[name], headers=headers)


@cache
def address_of(name: str) -> str:
    """Return the address of a file, within the gateway."""
    return f"{ROOT}/static/{hashlib.sha256(_content(name)).hexdigest()[:12]}/{name}"


@cache
def _content(name: str) -> bytes:
    return files("modelops_pipelines.gateway.pages").joinpath("static", name).read_bytes()
