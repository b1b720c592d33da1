"""The feedback widget: who may send what by it, which pages can show it, and how it works in a page of another site."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.gateway.access.public_feedback import MOST
from tests.support.browsing import chromium
from tests.support.gateway import RunningGateway, running_gateway, wait_for_keys
from tests.support.programs import needs
from tests.support.project import Project, cancer_frame, copied_project, rows_of
from tests.support.waiting import wait_until

SECONDS = 20.0


@dataclass
class Widget:
    """A gateway whose widget one other site may show, keys by what they are for, and predictions to speak of."""

    gateway: RunningGateway
    project: Project
    keys: dict[str, str]
    predictions: list[str]
    site: str
    pages: Path

    def address(self, key: str = "page", prediction: str | None = None, endpoint: str = "cancer") -> str:
        asked = httpx.QueryParams(key=self.keys.get(key, key), prediction_id=prediction or self.predictions[0])
        return f"/ui/widget/{endpoint}?{asked}"

    def send(self, key: str = "page", endpoint: str = "cancer", **fields: str) -> httpx.Response:
        form = {"key": self.keys.get(key, key), "prediction_id": self.predictions[0], "thumbs": "up", **fields}
        return self.gateway.client.post(f"/ui/widget/{endpoint}", data=form)

    def said(self, prediction: str) -> list[dict[str, Any]]:
        """Return the feedback on a prediction."""
        asked = {"headers": {"x-api-key": self.keys["admin"]}, "params": {"limit": 500}}
        found = self.gateway.client.get("/endpoints/cancer/feedback/recent", **asked).json()["feedback"]  # type: ignore[arg-type]
        return [one for one in found if one["prediction_id"] == prediction]


@pytest.fixture(scope="module")
def widget(served_world: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Widget]:
    made, _ = served_world
    project = copied_project(made, tmp_path_factory.mktemp("widget") / "project")
    pages = tmp_path_factory.mktemp("site")
    with site_of(pages) as site:
        allowed = replace(project, environment={**project.environment, "MODELOPS_WIDGET_ORIGINS": site})
        with running_gateway(allowed) as gateway:
            keys = keys_of(project)
            wait_for_keys(gateway, keys["both"])
            rows = {"dataframe_records": rows_of(cancer_frame().head(4))}
            sender = {"x-api-key": keys["predict"]}
            answer = gateway.client.post("/endpoints/cancer/invocations", json=rows, headers=sender).json()
            yield Widget(gateway, project, keys, [f"{answer['request_id']}-{row}" for row in range(4)], site, pages)


def keys_of(project: Project) -> dict[str, str]:
    store, now = project.stores.keys, project.stores.now()
    grants = {
        "page": grant("page", ["feedback"], endpoints=["cancer"]),
        "other": grant("other", ["feedback"], endpoints=["elsewhere"]),
        "gone": grant("gone", ["feedback"]),
        "busy": grant("busy", ["feedback"]),
        **{role: grant(role, [role]) for role in ("predict", "read", "operate", "admin")},
        "both": grant("both", ["feedback", "read"]),
    }
    issued = {name: store.create(one, now=now, actor="test") for name, one in grants.items()}
    store.revoke(issued["gone"].key.key_id, now)
    return {name: one.text for name, one in issued.items()}


@contextmanager
def site_of(folder: Path) -> Iterator[str]:
    """Serve a folder as another site; yield its origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of what it serves."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_the_form_is_sent_and_recorded_once(widget: Widget) -> None:
    form = widget.gateway.client.get(widget.address(prediction=widget.predictions[1]))
    assert (200, True) == (form.status_code, "Was this prediction right?" in form.text)
    said = {"prediction_id": widget.predictions[1], "thumbs": "down", "comment": " not <b>mine</b> "}
    answers = [widget.send(**said) for _ in range(2)]
    assert [(200, True)] * 2 == [(one.status_code, "Your feedback is recorded" in one.text) for one in answers]
    [found] = widget.said(widget.predictions[1])
    assert ("down", "not <b>mine</b>") == (found["thumbs"], found["comment"])
    assert found["key_id"] in widget.keys["page"]


def test_it_takes_and_sets_no_cookie(widget: Widget) -> None:
    for answer in (widget.gateway.client.get(widget.address()), widget.send(comment="cookies")):
        assert "set-cookie" not in answer.headers
    assert 401 == widget.gateway.client.get(widget.address(""), cookies={"modelops_session": "x"}).status_code


@pytest.mark.parametrize(
    ("key", "endpoint", "status", "said"),
    [
        ("", "cancer", 401, "permits no feedback here"),
        ("sk_live_x", "cancer", 401, "permits no feedback here"),
        ("gone", "cancer", 401, "permits no feedback here"),
        ("gone", "ghost", 401, "permits no feedback here"),
        ("other", "cancer", 403, "permits no feedback here"),
        ("page", "ghost", 403, "permits no feedback here"),
        ("read", "cancer", 403, "permits no feedback here"),
        ("operate", "cancer", 403, "permits no feedback here"),
        ("predict", "cancer", 403, "permits more than feedback"),
        ("admin", "cancer", 403, "permits more than feedback"),
        ("both", "cancer", 403, "permits more than feedback"),
    ],
)
def test_a_key_that_may_not(widget: Widget, key: str, endpoint: str, status: int, said: str) -> None:
    """A key of more roles works nowhere in a web page, so that nobody puts one there."""
    before = len(widget.said(widget.predictions[0]))
    shown, sent = widget.gateway.client.get(widget.address(key, endpoint=endpoint)), widget.send(key, endpoint)
    for answer in (shown, sent):
        assert (status, True) == (answer.status_code, said in answer.text), answer.text
        assert "<form" not in answer.text
        assert not any(f"{name} " in answer.text.split("<main>")[1] for name in ("elsewhere", "gone", "both"))
    assert before == len(widget.said(widget.predictions[0]))


def test_its_key_does_nothing_else(widget: Widget) -> None:
    headers = {"x-api-key": widget.keys["page"]}
    rows = {"dataframe_records": rows_of(cancer_frame().head(1))}
    label = {"labels": [{"prediction_id": widget.predictions[0], "label": "0"}]}
    for path, body in (("invocations", rows), ("labels", label)):
        assert 403 == widget.gateway.client.post(f"/endpoints/cancer/{path}", json=body, headers=headers).status_code
    for path in ("/endpoints", "/endpoints/cancer", "/endpoints/cancer/feedback", "/keys", "/overview"):
        assert 403 == widget.gateway.client.get(path, headers=headers).status_code


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"thumbs": "", "comment": " "}, 422, "The feedback is empty"),
        ({"thumbs": "sideways"}, 422, "The field thumbs is not valid"),
        ({"comment": "x" * 4097}, 422, "The field comment is not valid"),
        ({"prediction_id": ""}, 422, "The field prediction_id is not valid"),
        ({"prediction_id": "a" * 40 + "-0"}, 404, ""),
    ],
    ids=str,
)
def test_what_cannot_be_recorded_is_told_and_what_was_typed_stays(
    widget: Widget, fields: dict[str, str], status: int, said: str
) -> None:
    answer = widget.send(**{"comment": "typed <here>", **fields})
    assert (status, True) == (answer.status_code, said in answer.text), answer.text
    if status == 422 and "comment" not in fields:
        assert escape("typed <here>") in answer.text


def test_text_is_text(widget: Widget) -> None:
    evil = '"><script>alert(1)</script>'
    for answer in (
        widget.gateway.client.get(widget.address(prediction=evil)),
        widget.send(comment=evil, thumbs="sideways"),
        widget.gateway.client.get(widget.address(evil)),
    ):
        assert "<script>" not in answer.text


def test_other_bodies_are_refused(widget: Widget) -> None:
    answer = widget.gateway.client.post("/ui/widget/cancer", json={"thumbs": "up"})
    assert (415, True) == (answer.status_code, "Send a form" in answer.text)


def test_a_key_is_not_taken_without_end(widget: Widget) -> None:
    """Whoever opens the page can read its key, and send what he likes with it."""
    answers = [widget.send("busy", comment=str(number)).status_code for number in range(MOST.amount + 1)]
    assert [200] * MOST.amount + [429] == answers
    late = widget.send("busy", comment="late")
    assert 1 <= int(late.headers["retry-after"]) <= MOST.seconds
    assert "late" in late.text
    assert 200 == widget.send(comment="another key").status_code
    said, key = {"prediction_id": widget.predictions[0], "rating": 1}, {"x-api-key": widget.keys["busy"]}
    assert 429 == widget.gateway.client.post("/endpoints/cancer/feedback", json=said, headers=key).status_code


def test_who_may_show_it_in_a_frame(widget: Widget) -> None:
    answer = widget.gateway.client.get(widget.address())
    assert f"frame-ancestors 'self' {widget.site}" in answer.headers["content-security-policy"]
    assert ("same-origin", "no-store") == (answer.headers["referrer-policy"], answer.headers["cache-control"])
    assert "x-frame-options" not in answer.headers
    script = widget.gateway.client.get("/ui/widget.js")
    assert "cross-origin" == script.headers["cross-origin-resource-policy"]
    page = widget.gateway.client.get("/ui/sign-in")
    assert ("DENY", True) == (page.headers["x-frame-options"], "frame-ancestors 'none'" in str(page.headers))


def write_page(widget: Widget, prediction: str) -> None:
    """Write the page of another site, as the documentation says."""
    base = str(widget.gateway.client.base_url).rstrip("/")
    (widget.pages / "index.html").write_text(
        '<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,"><main><h1>Shop</h1>'
        f'<script src="{base}/ui/widget.js" data-endpoint="cancer" data-key="{widget.keys["page"]}"'
        f' data-prediction="{prediction}" async></script></main></html>'
    )


@needs("chromium")
def test_in_a_page_of_another_site_by_keyboard_alone(widget: Widget) -> None:
    prediction = widget.predictions[2]
    write_page(widget, prediction)
    with chromium(widget.gateway, beside=widget.site) as tab:
        tab.page.goto(widget.site)
        frame = tab.page.frame_locator("iframe[title='Feedback on this prediction']")
        frame.get_by_label("Comment (optional)").wait_for()
        assert [] == tab.serious()
        tab.page.keyboard.press("Tab")
        tab.page.keyboard.type("by keyboard")
        tab.page.keyboard.press("Tab")
        tab.page.keyboard.press("Enter")
        frame.get_by_role("status").wait_for()
        assert tab.page.url.startswith(widget.site)
        assert [] == tab.serious()
    [found] = widget.said(prediction)
    assert ("up", "by keyboard") == (found["thumbs"], found["comment"])


@needs("chromium")
def test_a_page_of_a_site_that_is_not_named_shows_nothing(widget: Widget) -> None:
    site = widget.site.replace("localhost", "127.0.0.1")
    write_page(widget, widget.predictions[3])
    with chromium(widget.gateway, beside=site) as tab:
        tab.page.goto(site)
        tab.page.wait_for_selector("iframe")
        wait_until(lambda: tab.page.evaluate("1") == 1 and tab.said != [], SECONDS)
        assert not tab.page.frame_locator("iframe").get_by_label("Comment (optional)").is_visible()
        [said] = tab.said
        assert "frame-ancestors" in said
        tab.said.clear()
    assert [] == widget.said(widget.predictions[3])
