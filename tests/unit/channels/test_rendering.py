"""A message in each of its forms, beside golden files; and texts of others, which act in none of them."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.channels.rendering import FORMS, render, title
from modelops_pipelines.core.alerting.message_content import MOST_ALERTS, MessageContent, to_json
from modelops_pipelines.core.errors import InputError
from tests.fakes.messages import NIGHT, OPENED, message_of
from tests.support.hostile_texts import HOSTILE

GOLDEN = Path(__file__).parent
FILES = {"text": "message.txt", "html": "message.html", "slack": "message.slack.json", "json": "message.json"}
PINGS = (
    "<!channel>",
    "<!here>",
    "<@U12345>",
    "<#C123|x>",
    "<http://evil.example|the bank>",
    "@channel @here @everyone",
)


def written(content: MessageContent, form: str) -> str:
    found = render(to_json(content), form)
    return found if isinstance(found, str) else json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def slack_texts(message: dict[str, Any]) -> list[str]:
    return [message["text"], *(block["text"]["text"] for block in message["blocks"])]


@pytest.mark.parametrize("form", FORMS)
def test_a_message_is_written_as_its_golden_file(form: str) -> None:
    assert (GOLDEN / FILES[form]).read_text() == written(NIGHT, form)


def test_the_title_says_what_is_worst_where_and_how_much_more() -> None:
    assert "[error] flights: error_rate opened and 3 more" == title(to_json(NIGHT))


def test_a_message_that_tries_a_channel_says_so_in_every_form() -> None:
    trial = MessageContent("[TEST] hello", "2026-03-01T12:03:00Z", (OPENED,), test=True)
    assert [form for form in ("text", "html", "slack") if "nothing has happened" not in written(trial, form)] == []
    body = render(to_json(trial), "json")
    assert isinstance(body, dict)
    assert ("alert.test", True) == (body["type"], body["data"]["test"])


def test_another_form_is_refused_with_the_forms_there_are() -> None:
    with pytest.raises(InputError, match="no form 'xml'"):
        render(to_json(NIGHT), "xml")


class Tags(HTMLParser):
    """Collects tags, the attributes that could act, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses |= {str(value) for name, value in attrs if name in {"href", "src"}}


@pytest.mark.parametrize("text", [*HOSTILE, *PINGS])
def test_no_text_of_others_acts_in_a_mail(text: str) -> None:
    read = Tags()
    read.feed(written(message_of(text), "html"))
    allowed = {"html", "head", "meta", "title", "body", "h2", "h3", "p", "table", "tr", "td", "pre", "ul", "li", "a"}
    assert (set(), set()) == (read.tags - allowed, read.attributes - {"lang", "charset", "style", "href"})
    assert all(one.startswith(("http://", "https://")) for one in read.addresses)


@pytest.mark.parametrize("text", [*HOSTILE, *PINGS])
def test_no_text_of_others_pings_or_links_in_slack(text: str) -> None:
    message = render(to_json(message_of(text)), "slack")
    assert isinstance(message, dict)
    for one in slack_texts(message):
        assert re.findall(r"<(?!https?://[^<>|]+\|[^<>]*>)", one) == []
    assert all(block["text"].get("verbatim", True) for block in message["blocks"])
    assert ("none", False, False) == (message["parse"], message["link_names"], message["unfurl_links"])


@pytest.mark.parametrize("form", FORMS)
@given(text=st.text(max_size=3000))
def test_whatever_a_text_is_the_message_is_bounded_and_has_nothing_hidden(form: str, text: str) -> None:
    content = to_json(message_of(text))
    found = render(content, form)
    whole = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    assert whole.replace("\n", "").replace("@\u200b", "@").isprintable()
    assert len(whole) < 60_000
    whole.encode()


def test_a_storm_is_bounded_names_each_alert_where_there_is_room_and_counts_the_others() -> None:
    alerts = tuple(replace(OPENED, alert_id=number) for number in range(1000))
    storm = to_json(MessageContent("storm", "2026-03-01T12:03:00Z", alerts))
    assert (MOST_ALERTS, 1000 - MOST_ALERTS) == (len(storm["alerts"]), storm["left_out"])
    message, text, mail = render(storm, "slack"), str(render(storm, "text")), str(render(storm, "html"))
    assert isinstance(message, dict)
    assert len(message["blocks"]) <= 50
    assert any("And 960 more: `modelops alert list`" == one for one in slack_texts(message))
    assert ("And 800 more: modelops alert list" in text, "alert 199)" in text, "alert 199)" in mail) == (
        True,
        True,
        True,
    )


def test_a_block_that_is_too_long_for_slack_is_cut_at_a_line_and_its_code_ends() -> None:
    long = message_of("&" * 3000)
    message = render(to_json(long), "slack")
    assert isinstance(message, dict)
    assert [text for text in slack_texts(message) if len(text) > 3000 or text.count("```") % 2] == []


def test_a_backtick_cannot_end_the_code_in_which_a_command_stands() -> None:
    message = render(to_json(message_of("``` <!channel> ```")), "slack")
    assert isinstance(message, dict)
    assert [text for text in slack_texts(message) if text.count("```") % 2] == []


@pytest.mark.parametrize("form", ["text", "html"])
@pytest.mark.parametrize(
    "ping", ["@everyone", "@here", "x@Everyone", "<@123456>", "<@&77>", "(@ann)", "@channel", "@all"]
)
def test_a_plain_text_pings_nobody_in_the_services_of_apprise(form: str, ping: str) -> None:
    hostile = replace(
        OPENED,
        message=f"top category {ping}",
        endpoint=ping,
        owner="ann@example.com",
        runbook="https://wiki.example.com/@ops",
    )
    content = MessageContent(f"drift of {ping}", "2026-03-01T12:03:00Z", (hostile,))
    for text in (written(content, form), title(to_json(content))):
        assert re.search(r"@(?=everyone|here|channel|all)|(?<![\w/])@\w", text, re.IGNORECASE) is None
        assert "@\u200b" in text
    assert "ann@example.com" in written(content, form)
    assert "https://wiki.example.com/@ops" in written(content, form)
