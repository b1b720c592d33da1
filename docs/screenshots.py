"""Take the README's screenshots of a running demo, with Debian's Chromium.

    modelops demo                      # in one terminal; wait for "Up."
    python docs/screenshots.py         # in another: writes docs/images/*.png

The addresses come from the project's settings (such as MODELOPS_DAGSTER_PORT). ``--list`` lists the screenshots.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from modelops_pipelines.store.settings import Settings, load_settings

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
SIZE = (1400, 900)
WIDE = (1800, 1200)  # where the lineage has room for its details
MAIL = (680, 800)
SETTLE_MS = 2500
WAIT_MS = 60_000
MOST_BYTES = 400_000


@dataclass(frozen=True)
class Screenshot:
    """A page: its address, the text that shows that it has loaded, and what to scroll to and click, if anything."""

    about: str
    url: str
    shows: str
    scroll_to: str = ""
    click: str = ""
    size: tuple[int, int] = SIZE


def screenshots(settings: Settings) -> Mapping[str, Screenshot]:
    """Return the screenshots by file name."""
    dagster = f"http://{settings.host}:{settings.dagster_port}"
    pages = f"{settings.gateway_url}/ui"
    return {
        "page_overview": Screenshot("every endpoint at a glance", f"{pages}/", "Endpoints"),
        "page_endpoint": Screenshot("an endpoint's page", f"{pages}/endpoints/flights?range=30d", "flights"),
        "page_release": Screenshot("versions and the gate's numbers", f"{pages}/endpoints/flights/release", "Versions"),
        "page_alerts": Screenshot(
            "alerts to act on", f"{pages}/alerts?state=open&state=acknowledged&state=resolved", "Alerts"
        ),
        "lineage": Screenshot(
            "an endpoint's assets with their checks",
            f"{dagster}/locations/modelops/asset-groups/flights/lineage",
            "drift",
            size=WIDE,
        ),
        "quality_check": Screenshot(
            "a failed check with its numbers and their history",
            f"{dagster}/assets/flights/quality_metrics?view=checks",
            "quality_brier_skill",
            scroll_to="Latest execution",
        ),
        "drift_table": Screenshot(
            "drift verdicts of the newest windows by column",
            f"{dagster}/assets/flights/drift?view=events",
            "Materialized",
            click="[Show Markdown]",
        ),
        "runs": Screenshot("runs with their reasons", f"{dagster}/runs", "Success"),
        "drift_report": Screenshot("Evidently's drift report", _newest_report(settings), "Drift"),
        "alert_message": Screenshot(
            "the message on the demo's bad version, as a mail shows it",
            (settings.home / "message.html").as_uri(),
            "Likely causes",
            size=MAIL,
        ),
    }


def take(browser: Browser, shot: Screenshot, file: Path) -> None:
    """Open the page, wait until it has loaded, and write the screenshot."""
    page = browser.new_page(viewport={"width": shot.size[0], "height": shot.size[1]})
    page.goto(shot.url, timeout=WAIT_MS)
    page.get_by_text(shot.shows).first.wait_for(timeout=WAIT_MS)
    page.wait_for_timeout(SETTLE_MS)
    if shot.scroll_to:
        page.get_by_text(shot.scroll_to, exact=True).last.evaluate("e => e.scrollIntoView({block: 'start'})")
        page.wait_for_timeout(SETTLE_MS)
    if shot.click:
        page.get_by_text(shot.click).first.click()
        page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=file)
    page.close()


def main() -> int:
    """Take the screenshots, or list them."""
    parser = argparse.ArgumentParser(description="Take the README's screenshots of a running demo.")
    parser.add_argument("--list", action="store_true", help="list the screenshots without taking them")
    parser.add_argument(
        "--into", type=Path, default=Path(__file__).parent / "images", help="folder for the screenshots"
    )
    options = parser.parse_args()
    shots = screenshots(load_settings())
    if options.list:
        sys.stdout.writelines(f"{name}.png: {shot.about}: {shot.url}\n" for name, shot in shots.items())
        return 0
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.stderr.write("There is no chromium on the PATH: apt-get install chromium\n")
        return 1
    options.into.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        sizes = []
        for name, shot in shots.items():
            file = options.into / f"{name}.png"
            take(browser, shot, file)
            sizes.append(file.stat().st_size)
            sys.stdout.write(f"{file} {sizes[-1] // 1000} KB\n")
        browser.close()
    return 0 if max(sizes) <= MOST_BYTES else 1


def _newest_report(settings: Settings) -> str:
    """Return the address of the newest drift report on the gateway."""
    written = sorted((settings.home / "reports" / "flights").glob("drift-*.html"))
    name = written[-1].name if written else "drift-none.html"
    return f"{settings.gateway_url}/endpoints/flights/reports/{name}"


if __name__ == "__main__":
    sys.exit(main())
