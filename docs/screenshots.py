"""Take the README's pictures of a running demo, with Debian's Chromium.

    modelops demo                      # in one terminal; wait for "Up."
    python docs/screenshots.py         # in another: writes docs/images/*.png

The addresses are those of the project's settings (MODELOPS_DAGSTER_PORT and the like). ``--list`` shows what is taken.
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
SETTLE_MS = 2500
WAIT_MS = 60_000
MOST_BYTES = 400_000


@dataclass(frozen=True)
class Picture:
    """A page: its address, the text that shows it has loaded, and what to scroll to and to click on, if anything."""

    about: str
    url: str
    shows: str
    scroll_to: str = ""
    click: str = ""
    size: tuple[int, int] = SIZE


def pictures(settings: Settings) -> Mapping[str, Picture]:
    """Return the pictures by their files' names."""
    dagster = f"http://{settings.host}:{settings.dagster_port}"
    return {
        "lineage": Picture(
            "an endpoint's assets, with checks",
            f"{dagster}/locations/modelops/asset-groups/flights/lineage",
            "drift",
            size=WIDE,
        ),
        "quality_check": Picture(
            "a rule that failed, with its numbers and their history",
            f"{dagster}/assets/flights/quality_metrics?view=checks",
            "quality_brier_skill",
            scroll_to="Latest execution",
        ),
        "drift_table": Picture(
            "drift's newest windows, column by column",
            f"{dagster}/assets/flights/drift?view=events",
            "Materialized",
            click="[Show Markdown]",
        ),
        "runs": Picture("runs, each with its reason", f"{dagster}/runs", "Success"),
        "drift_report": Picture("Evidently's report", _newest_report(settings), "Drift"),
    }


def take(browser: Browser, picture: Picture, file: Path) -> None:
    """Open the page, wait until it shows what it should, and write the picture."""
    page = browser.new_page(viewport={"width": picture.size[0], "height": picture.size[1]})
    page.goto(picture.url, timeout=WAIT_MS)
    page.get_by_text(picture.shows).first.wait_for(timeout=WAIT_MS)
    page.wait_for_timeout(SETTLE_MS)
    if picture.scroll_to:
        page.get_by_text(picture.scroll_to, exact=True).last.evaluate("e => e.scrollIntoView({block: 'start'})")
        page.wait_for_timeout(SETTLE_MS)
    if picture.click:
        page.get_by_text(picture.click).first.click()
        page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=file)
    page.close()


def main() -> int:
    """Take every picture, or only list them."""
    parser = argparse.ArgumentParser(description="Take the README's pictures of a running demo.")
    parser.add_argument("--list", action="store_true", help="only say what would be taken")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent / "images", help="where the pictures go")
    asked = parser.parse_args()
    chosen = pictures(load_settings())
    if asked.list:
        sys.stdout.writelines(f"{name}.png: {picture.about}: {picture.url}\n" for name, picture in chosen.items())
        return 0
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.stderr.write("There is no chromium on the PATH: apt-get install chromium\n")
        return 1
    asked.into.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        sizes = []
        for name, picture in chosen.items():
            file = asked.into / f"{name}.png"
            take(browser, picture, file)
            sizes.append(file.stat().st_size)
            sys.stdout.write(f"{file} {sizes[-1] // 1000} KB\n")
        browser.close()
    return 0 if max(sizes) <= MOST_BYTES else 1


def _newest_report(settings: Settings) -> str:
    """Return the newest drift report's address, as the gateway serves it."""
    written = sorted((settings.home / "reports" / "flights").glob("drift-*.html"))
    name = written[-1].name if written else "drift-none.html"
    return f"{settings.gateway_url}/endpoints/flights/reports/{name}"


if __name__ == "__main__":
    sys.exit(main())
