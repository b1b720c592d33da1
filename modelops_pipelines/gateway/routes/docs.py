"""The OpenAPI document and its page, Swagger UI; every file comes from this gateway, none from another host."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.gateway.http.guarded_router import PUBLIC, Router

_FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
_PAGE_VERSION = "3.0.3"  # the newest that the bundled Swagger UI (4.15) renders


def add_docs_routes(router: Router, app: FastAPI) -> None:
    """Add /openapi.json, /docs and the files of its page."""

    @router.get("/openapi.json", role="read", include_in_schema=False)
    def openapi() -> JSONResponse:
        """Return the OpenAPI document."""
        return JSONResponse(app.openapi())

    @router.get("/docs", role="read", include_in_schema=False)
    def docs() -> HTMLResponse:
        """Show Swagger UI with the OpenAPI document embedded, so that the page needs no key to fetch it."""
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url="/docs/static/swagger-ui-bundle.js",
            swagger_css_url="/docs/static/swagger-ui.css",
            swagger_favicon_url="/docs/static/favicon-32x32.png",
            swagger_ui_parameters={"spec": for_page(app.openapi())},
        )
        page.headers["x-frame-options"] = "DENY"  # in a foreign page's frame a click could be led to "Execute"
        return page

    @router.get("/docs/static/{name}", role=PUBLIC, include_in_schema=False)
    def static(name: str) -> FileResponse:
        """Return one file of Swagger UI."""
        if name not in _FILES:
            raise UnknownError(f"There is no file {name[:80]!r}", "Open /docs: it loads the files that exist")
        return FileResponse(_swagger_ui() / name)


def for_page(document: Any) -> Any:
    """Return an OpenAPI 3.1 document converted to 3.0: ``nullable`` for a null type, ``enum`` for ``const``."""
    if isinstance(document, list):
        return [for_page(part) for part in document]
    if not isinstance(document, dict):
        return document
    converted = {name: for_page(part) for name, part in document.items()}
    if "openapi" in converted:
        converted["openapi"] = _PAGE_VERSION
    if "const" in converted:
        converted["enum"] = [converted.pop("const")]
    choices = converted.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        others = [choice for choice in choices if choice != {"type": "null"}]
        combined = {"allOf": others} if len(others) == 1 else {"anyOf": others}
        rest = {name: part for name, part in converted.items() if name != "anyOf"}
        converted = {**rest, **combined, "nullable": True}
    return converted


def _swagger_ui() -> Path:
    """Return the folder of the installed Swagger UI."""
    vendor = Path(str(files("swagger_ui_bundle"))) / "vendor"
    return max(path.parent for path in vendor.glob("*/swagger-ui-bundle.js"))
