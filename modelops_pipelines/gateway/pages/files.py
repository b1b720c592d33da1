"""The addresses of pages, and the pages' own files, each at an address that changes with its content."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import quote

ROOT: Final = "/ui"
"""The address under which all pages are."""
TYPES: Final = {
    "pages.css": "text/css; charset=utf-8",
    "pages.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "widget.js": "text/javascript; charset=utf-8",
}
"""The files that browsers get, with their types."""
HTMX: Final = ("4.0.1", "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130")
"""The release of the npm package ``htmx.org`` that ``htmx.min.js`` is, and its SHA-256; its licence lies beside it."""


def endpoint_address(name: str, after: str = "") -> str:
    """Return the address of an endpoint's page, or with ``after`` of one below it, within the gateway."""
    return f"{ROOT}/endpoints/{quote(name, safe='')}{after}"


@cache
def address_of(name: str) -> str:
    """Return the address of a file, within the gateway."""
    return f"{ROOT}/static/{hashlib.sha256(content_of(name)).hexdigest()[:12]}/{name}"


@cache
def content_of(name: str) -> bytes:
    """Return a file's content; ``name`` is one of TYPES."""
    return files("modelops_pipelines.gateway.pages").joinpath("static", name).read_bytes()
