"""Serves the pages' own files; anybody may read them, they say nothing of this installation."""

from starlette.responses import Response

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.gateway.http.guarded_router import PUBLIC
from modelops_pipelines.gateway.pages.files import TYPES, content_of
from modelops_pipelines.gateway.pages.page_router import PageRouter
from modelops_pipelines.gateway.pages.visits import Visit

_FOREVER = "public, max-age=31536000, immutable"


def add_static_files(pages: PageRouter) -> None:
    """Add the route of the files, which browsers keep for ever: a changed file has another address."""

    @pages.get("/static/{stamp}/{name}", role=PUBLIC)
    def show_file(visit: Visit) -> Response:
        name = visit.path["name"]
        if name not in TYPES:
            raise UnknownError(f"There is no file {name[:80]!r}", "Open a page: it loads the files that exist")
        headers = {"cache-control": _FOREVER, "x-content-type-options": "nosniff"}
        return Response(content_of(name), media_type=TYPES[name], headers=headers)
