"""How pages look, loosely: the first screen of each in coarse cells, against the pictures in ``looks``.

``UPDATE_GOLDEN=1`` draws these anew; look at the difference before it is kept. Numbers, times and fonts may differ a
little; a lost stylesheet, a column that breaks, or a bar in another place does not pass.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration.gateway.pages.conftest import Site
from tests.support.browsing import DESK, PHONE, Tab, chromium
from tests.support.paths import ROOT
from tests.support.programs import needs

pytestmark = needs("chromium")
LOOKS = ROOT / "tests" / "integration" / "gateway" / "pages" / "looks"
CELL = 20
"""Pixels of a side of a cell."""
FAINT, ALIKE = 16, 0.02
"""A cell differs by more than FAINT of 255, and of a page that looks the same at most this share of them does.

Measured: 0.006 of one page at two times, 0.028 and more of two pages.
"""
PLACES = {
    "overview": "/",
    "endpoint": "/endpoints/cancer",
    "release": "/endpoints/cancer/release",
    "checklist": "/endpoints/cancer/checklist",
    "improve": "/endpoints/cancer/improve",
    "try": "/endpoints/cancer/try",
    "rules": "/endpoints/cancer/alert-rules",
    "alerts": "/alerts",
    "silences": "/silences",
    "keys": "/keys",
    "new key": "/keys/new",
    "new endpoint": "/new",
    "error": "/endpoints/nowhere",
}
SIZES = {"phone": PHONE, "desk": DESK}


@pytest.fixture(scope="module", params=SIZES)
def shown(request: pytest.FixtureRequest, site: Site) -> Iterator[tuple[str, Tab]]:
    with chromium(site.gateway, size=SIZES[request.param]) as tab:
        tab.sign_in(site.keys["admin"])
        tab.page.get_by_role("heading", name="Endpoints").wait_for()
        yield request.param, tab
        tab.said[:] = [line for line in tab.said if "404" not in line]  # Chromium names the page of an error


@pytest.mark.parametrize("name", PLACES)
def test_a_page_looks_as_before_and_shuts_nobody_out(shown: tuple[str, Tab], name: str) -> None:
    size, tab = shown
    tab.open(PLACES[name])
    assert (False, []) == (tab.scrolls_sideways(), tab.serious())
    found, kept = cells(tab), LOOKS / f"{name.replace(' ', '-')}-{size}.png"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        LOOKS.mkdir(exist_ok=True)
        Image.fromarray(found).save(kept, optimize=True)
    assert difference(found, kept) <= ALIKE


def test_the_comparison_sees_another_page_and_a_lost_stylesheet(shown: tuple[str, Tab]) -> None:
    size, tab = shown
    tab.open(PLACES["overview"])
    overview = LOOKS / f"overview-{size}.png"
    assert difference(cells(tab), overview) <= ALIKE
    assert difference(cells(tab), LOOKS / f"new-key-{size}.png") > ALIKE
    tab.page.evaluate("document.querySelector('link[rel=stylesheet]').remove()")
    assert difference(cells(tab), overview) > ALIKE


def cells(tab: Tab) -> np.ndarray:
    """Return the first screen as luminances of 0 to 255, one a cell."""
    drawn = Image.open(io.BytesIO(tab.page.screenshot(animations="disabled"))).convert("L")
    return np.asarray(drawn.resize((drawn.width // CELL, drawn.height // CELL), Image.Resampling.BOX))


def difference(found: np.ndarray, kept: Path) -> float:
    """Return the share of cells that differ from a kept picture."""
    before = np.asarray(Image.open(kept))
    return float((np.abs(found.astype(float) - before.astype(float)) > FAINT).mean())
