"""Browsers of tests: one over plain HTTP that keeps cookies and sends forms, and Chromium with what it complained of."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape

import httpx
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from tests.support.gateway import RunningGateway

UI = "/ui"
_TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')
PHONE, DESK = {"width": 360, "height": 780}, {"width": 1400, "height": 900}


@dataclass
class Browser:
    """A person's browser without JavaScript: cookies, links and forms."""

    client: httpx.Client
    shown: httpx.Response | None = None

    def open(self, path: str, **headers: str) -> httpx.Response:
        """Open a page under /ui, and follow where it leads."""
        self.shown = self.client.get(f"{UI}{path}", headers=headers, follow_redirects=True)
        return self.shown

    def send(self, path: str, *, follow: bool = True, **fields: str) -> httpx.Response:
        """Send a form of the page that is shown to a path under /ui, with that page's token."""
        token = self.token
        answer = self.client.post(f"{UI}{path}", data={"token": token, **fields}, follow_redirects=follow)
        if follow:
            self.shown = answer
        return answer

    @property
    def token(self) -> str:
        """The token of the forms on the page that is shown."""
        assert self.shown is not None
        found = _TOKEN.search(self.shown.text)
        assert found is not None, self.shown.text[:2000]
        return found[1]

    @property
    def text(self) -> str:
        """The words of the page that is shown."""
        assert self.shown is not None
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.shown.text)).split())

    def sign_in(self, key: str, wanted: str = "/ui/") -> httpx.Response:
        """Sign in with a key."""
        self.open("/sign-in")
        return self.send("/sign-in", key=key, next=wanted)


@contextmanager
def browser_of(gateway: RunningGateway) -> Iterator[Browser]:
    """Yield a new browser without cookies, at the gateway's address."""
    with httpx.Client(base_url=gateway.client.base_url, timeout=60) as client:
        yield Browser(client)


@dataclass
class Tab:
    """A tab of Chromium, with what its console said and which addresses it asked."""

    page: Page
    base: str
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Open a page under /ui."""
        self.page.goto(f"{self.base}{UI}{path}")

    def serious(self) -> list[str]:
        """Return what axe-core finds serious or critical on the page: rule and element."""
        found = Axe().run(self.page).response["violations"]
        graves = [one for one in found if one["impact"] in ("serious", "critical")]
        return [f"{one['id']}: {node['html']} {node['failureSummary']}" for one in graves for node in one["nodes"]]

    def sign_in(self, key: str) -> None:
        """Sign in with a key, once the browser has moved the focus to where it is typed."""
        self.open("/sign-in")
        self.page.wait_for_selector("#key:focus")
        self.page.fill("#key", key)
        self.page.click("main button")

    def scrolls_sideways(self) -> bool:
        """Whether the page is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@contextmanager
def chromium(
    gateway: RunningGateway,
    *,
    size: dict[str, int] | None = None,
    scripts: bool = True,
    dark: bool = False,
    beside: str = "data:",
) -> Iterator[Tab]:
    """Yield a tab of a new Chromium at the gateway; after the block its console must have said nothing.

    No other address may have been asked, but those that begin with ``beside``.
    """
    base = str(gateway.client.base_url).rstrip("/")
    with sync_playwright() as started:
        launched = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        context = launched.new_context(
            viewport=size or DESK,  # type: ignore[arg-type] # a dict of width and height is what it takes
            java_script_enabled=scripts,
            color_scheme="dark" if dark else "light",
        )
        tab = Tab(context.new_page(), base)
        tab.page.on("console", lambda message: tab.said.append(f"{message.type}: {message.text}"))
        tab.page.on("pageerror", lambda error: tab.said.append(f"error: {error}"))
        tab.page.on("request", lambda request: tab.asked.append(request.url))
        try:
            yield tab
        finally:
            launched.close()
    assert [] == tab.said, tab.said
    assert all(address.startswith((base, "data:", beside)) for address in tab.asked)
