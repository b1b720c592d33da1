"""The page of documentation: whole without any other host, also in a real browser."""

import re
import shutil
from pathlib import Path

import pytest
from fastapi import FastAPI

from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.http.error_handlers import add_faults
from modelops_pipelines.gateway.http.guarded_router import Router
from modelops_pipelines.gateway.routes.docs import add_docs_routes
from modelops_pipelines.store.state.api_keys import Keys
from modelops_pipelines.store.state.database import Database
from tests.gateway.asgi_client import ask
from tests.support import make_project, running_gateway

CHROMIUM = shutil.which("chromium")


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    keyring = Keyring()
    keyring.refresh(Keys(Database(f"sqlite:///{tmp_path / 'state.db'}")))
    app = FastAPI(docs_url=None, openapi_url=None)
    add_faults(app)
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


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH: apt-get install chromium")
def test_a_browser_shows_every_route_and_asks_no_other_host(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with (
        running_gateway(make_project(tmp_path / "project"), ready=False) as gateway,
        playwright.sync_playwright() as made,
    ):
        browser = made.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{gateway.client.base_url}/docs")
        page.get_by_text("/endpoints/{endpoint}/invocations").first.wait_for(timeout=30_000)
        shown = page.inner_text("body")
        browser.close()
        assert all(path in shown for path in gateway.client.get("/openapi.json").json()["paths"])
        assert {url.split("/")[2] for url in asked} == {gateway.client.base_url.netloc.decode()}
