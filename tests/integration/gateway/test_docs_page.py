"""The page of documentation in a real browser."""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.gateway import running_gateway
from tests.support.programs import needs
from tests.support.project import make_project


@needs("chromium")
def test_a_browser_shows_every_route_and_asks_no_other_host(tmp_path: Path) -> None:
    with (
        running_gateway(make_project(tmp_path / "project"), ready=False) as gateway,
        sync_playwright() as made,
    ):
        browser = made.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{gateway.client.base_url}/docs")
        page.get_by_text("/endpoints/{endpoint}/invocations").first.wait_for(timeout=30_000)
        shown = page.inner_text("body")
        browser.close()
        assert all(path in shown for path in gateway.client.get("/openapi.json").json()["paths"])
        assert {url.split("/")[2] for url in asked} == {gateway.client.base_url.netloc.decode()}
