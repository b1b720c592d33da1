"""The health page in a real browser."""

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import sync_playwright

from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.reports.health_page import write_health_page
from tests.fakes.monitored_hours import EVIL, fill
from tests.fakes.records import VERSION
from tests.support.programs import needs
from tests.support.project import Project, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = make_project(tmp_path_factory.mktemp("health") / "project")
    made.stores.deployments.record_version(VERSION)
    yield made
    made.stores.database.close()


@pytest.fixture(scope="module")
def spec(project: Project) -> EndpointSpec:
    """Return an endpoint of 60 columns with thirty hours of everything behind it."""
    limits = (AlertRule("error_rate", above=0.1), AlertRule("quality", metric="auc", below=0.8))
    made = replace(project.spec, description=f"{EVIL} & co.", owners=("team:care",), alerts=limits)
    fill(project.stores, made)
    return made


@pytest.fixture(scope="module")
def page(project: Project, spec: EndpointSpec) -> str:
    return write_health_page(project.stores, spec).read_text()


@needs("chromium")
def test_a_browser_opens_the_page_without_an_error_or_a_request(project: Project, page: str) -> None:
    path = project.stores.settings.reports / project.spec.name / "health.html"
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport={"width": 390, "height": 844})
        said: list[str] = []
        asked: list[str] = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        card = tab.locator(".card").first.evaluate("e => getComputedStyle(e).borderRadius")
        wide = tab.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert ([], [path.as_uri()]) == (said, asked)
    assert card == "12px"  # the style was let in by its hash
    assert wide == 390  # a phone does not scroll sideways
