"""The page of documentation: whole without any other host, also in a real browser."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.http.error_handlers import add_error_handlers
from modelops_pipelines.gateway.http.guarded_router import Router
from modelops_pipelines.gateway.routes.docs import add_docs_routes
from modelops_pipelines.store.state.access.api_keys import Keys
from modelops_pipelines.store.state.database import Database
from tests.support.asgi_client import ask


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    keyring = Keyring()
    keyring.refresh(Keys(Database(f"sqlite:///{tmp_path / 'state.db'}")))
    app = FastAPI(docs_url=None, openapi_url=None)
    add_error_handlers(app)
    router = Router(app, keyring)
    router.get("/things", role="read")(lambda: None)
    add_docs_routes(router, app)
    return app


def test_the_page_takes_its_files_from_the_gateway_alone(app: FastAPI) -> None:
    page = ask(app, "GET", "/docs").text
    assert "://" not in page
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sorted(wanted) == [
        f"/docs/static/{name}" for name in ("favicon-32x32.png", "swagger-ui-bundle.js", "swagger-ui.css")
    ]
    for path in wanted:
        answer = ask(app, "GET", path)
        assert (answer.status_code, len(answer.content) > 500) == (200, True), path
    assert '"/things"' in page


@pytest.mark.parametrize("name", ["index.html", "swagger-ui-bundle.js.map", "..%2F__init__.py", "../__init__.py", "x"])
def test_no_other_file_is_served(app: FastAPI, name: str) -> None:
    assert ask(app, "GET", f"/docs/static/{name}").status_code == 404
