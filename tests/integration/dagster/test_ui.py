"""What a person sees and clicks in Dagster's own UI, with a real browser: everything is there, and works."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright import sync_api as playwright

from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.platforms.local import running
from modelops_pipelines.sensors.common import RETRAINING_ASSETS
from tests.support.gateway import RunningGateway
from tests.support.paths import ROOT
from tests.support.programs import needs
from tests.support.project import Project, cancer_frame, make_project, rows_of, train_first
from tests.support.waiting import wait_until
from tests.worlds.dagster_project import MONITORING, START, send

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS, TRIES = 30_000, 6
RUNS = '{ runsOrError(filter: {pipelineName: "%s"}) { ... on Runs { results { runId status tags { key } } } } }'
CHECKS = {
    "inference_log": ["nothing_rejected"],
    "service_metrics": ["error_rate", "latency_p95_ms"],
    "drift": ["drift"],
    "quality_metrics": ["quality_brier_skill", "quality_excess_errors"],
    "key_usage": ["key_usage_complete"],
    "evaluation": ["gate"],
}
pytestmark = [
    pytest.mark.slow,
    needs("chromium"),
]


@dataclass
class Screen:
    """A browser's page on a project's running Dagster."""

    page: "playwright.Page"
    url: str
    project: Project

    def open(self, path: str) -> None:
        """Open a page of the UI."""
        self.page.goto(f"{self.url}{path}", timeout=WAIT_MS)

    def choose(self, field: str, name: str) -> None:
        """Choose from a list; one that was opened before its names had come stays empty, and is opened again."""
        for _ in range(TRIES):
            self.page.get_by_placeholder(field).click(timeout=WAIT_MS)
            with suppress(playwright.TimeoutError):
                self.page.get_by_text(name, exact=True).last.click(timeout=WAIT_MS // TRIES)
                return
            self.page.keyboard.press("Escape")
        pytest.fail(f"{name!r} is not among what {field!r} offers")

    def shows(self, text: str) -> None:
        """Wait until the text is to be seen."""
        self.page.get_by_text(text, exact=True).first.wait_for(timeout=WAIT_MS)

    def run_succeeds(self, job: str) -> None:
        """Wait until the run of the job that was launched here, by no sensor, has succeeded, and see so on its page."""
        wait_until(lambda: self._launched(job).get("status") in ("SUCCESS", "FAILURE"), 60)
        self.open(f"/runs/{self._launched(job)['runId']}")
        self.shows("Success")

    def _launched(self, job: str) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/graphql", json={"query": RUNS % job}, timeout=30).json()
        runs = answer["data"]["runsOrError"]["results"]
        return next((run for run in runs if "dagster/sensor_name" not in {tag["key"] for tag in run["tags"]}), {})


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    """Start the project's gateway and Dagster, with two versions deployed and some traffic; end them all."""
    project = make_project(tmp_path_factory.mktemp("ui") / "project")
    frame = cancer_frame()
    with running(project.stores.settings, ROOT) as platform, playwright.sync_playwright() as started:
        gateway, dagster = platform.start_gateway(), platform.start_dagster()
        for rows in (569, 300):
            version = train_first(project, frame.head(rows)).version
            deploy(project.stores, project.spec, version, actor="ann", reason="test", force=True)
        platform.wait([gateway, dagster], 120)
        with httpx.Client(base_url=gateway.url, timeout=60) as client:
            wait_until(lambda: client.get("/health/ready").status_code == 200, 60)
            caller = RunningGateway(gateway.process, client, Path(gateway.log))
            for hour in range(3):
                rows = frame.head(100)
                send(caller, rows_of(rows), rows["benign"].tolist(), START + timedelta(hours=hour))
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        yield Screen(page, dagster.url, project)
        browser.close()
    wait_until(lambda: not any(is_alive(service.process.pid) for service in (gateway, dagster)), 20)


def is_alive(group: int) -> bool:
    """Return whether a process of the group is left, the ended ones that nobody has reaped aside."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return any(int(pgid) == group and not stat.startswith("Z") for pgid, stat in rows)


def test_every_asset_of_the_endpoint_is_in_its_group(screen: Screen) -> None:
    screen.open("/locations/modelops/asset-groups/cancer/lineage")
    for name in (*MONITORING, "drift_report", *RETRAINING_ASSETS):
        screen.shows(name)


@pytest.mark.parametrize("asset", CHECKS)
def test_an_assets_checks_are_on_its_page(screen: Screen, asset: str) -> None:
    screen.open(f"/assets/cancer/{asset}?view=checks")
    for check in CHECKS[asset]:
        screen.shows(check)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (
            "/automation",
            [
                "new_data",
                "alerts",
                "retraining",
                "promotion",
                "trials",
                "shadows",
                "cadence",
                "review",
                "reconcile",
                "maintenance",
            ],
        ),
        (
            "/jobs",
            [
                "deploy",
                "promote",
                "rollback",
                "validate",
                "stop",
                "start",
                "delete",
                "archive",
                "test_model",
                "retrain",
            ],
        ),
    ],
)
def test_every_sensor_schedule_and_job_is_listed(screen: Screen, path: str, names: list[str]) -> None:
    screen.open(path)
    for name in names:
        screen.shows(name)


def test_the_monitoring_assets_materialise_at_a_click(screen: Screen) -> None:
    screen.open("/locations/modelops/asset-groups/cancer/lineage")
    for number, name in enumerate(MONITORING):
        node = screen.page.get_by_text(name, exact=True).first
        node.wait_for(timeout=WAIT_MS)  # the page's own bar may cover it: so no mouse
        node.dispatch_event("click", {"bubbles": True, "shiftKey": bool(number)})
    screen.page.get_by_role("button", name=f"Materialize selected ({len(MONITORING)})").click(timeout=WAIT_MS)
    screen.page.get_by_text("Launched run").first.wait_for(timeout=WAIT_MS)
    screen.run_succeeds("__ASSET_JOB")
    assert screen.project.stores.lake.rows("cancer", "inference_log") == 300
    screen.open("/assets/cancer/service_metrics?view=events")
    screen.shows("dagster/row_count")


def test_a_rollback_is_launched_from_the_launchpad(screen: Screen) -> None:
    screen.open("/locations/modelops/jobs/rollback/playground")
    screen.choose("Partition", "cancer")
    screen.page.get_by_role("button", name="Launch Run").click(timeout=WAIT_MS)
    screen.run_succeeds("rollback")
    event = screen.project.stores.deployments.events("cancer")[-1]
    assert (event.action, event.to_version, event.actor) == ("rollback", "1", "dagster")
