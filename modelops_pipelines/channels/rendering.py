"""Writes a message's content for a channel: as JSON, plain text, blocks for Slack, or an HTML mail; one template each.

Each template escapes what is put into it for where it goes, so that no text of a model or a caller acts there.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from modelops_pipelines.core.alerting.message_content import MessageContent, from_json, is_web, to_json
from modelops_pipelines.core.alerting.message_words import describe_event, numbers_of
from modelops_pipelines.core.errors import InputError

if TYPE_CHECKING:
    from jinja2 import Environment, Template

JSON, TEXT, SLACK, HTML = "json", "text", "slack", "html"
FORMS: Final = (JSON, TEXT, SLACK, HTML)
FULL, BRIEF_IN_SLACK = 20, 20
"""Alerts that are written with all their numbers; and, in Slack, those on one line each after them."""
_TEMPLATES = {TEXT: "message.txt", SLACK: "message.slack.json", HTML: "message.html"}
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "\u02cb"})
"""Slack's three characters; and a back-tick would end the block of code that a command is written in."""
_ANGLES = str.maketrans("<>", "\u2039\u203a")
"""A header of Slack is no markup, and has no escape: angle brackets become ones that mean nothing."""
_MENTION = re.compile(r"(?<!\w)@|@(?=everyone|here|channel|all)", re.IGNORECASE)
_NO_MENTION = "@\u200b"
"""Discord, Mattermost and Telegram ping whom a plain text names after @, unless an invisible space stands between."""
_HALF_ENTITY = re.compile(r"&[a-z]*$")
_LONGEST_SECTION = 2900
"""Characters of a block's text: Slack refuses a message with a block over 3,000."""


def render(content: Mapping[str, Any], form: str) -> str | dict[str, Any]:
    """Return the message in one of FORMS: a text, or for json and slack what to send as JSON.

    Raises InputError for another form.
    """
    if form not in FORMS:
        raise InputError(f"There is no form {form!r} of a message", f"Use one of {', '.join(FORMS)}")
    message = from_json(content)
    if form == JSON:
        return _event(message)
    shown = _shown(message, BRIEF_IN_SLACK if form == SLACK else len(message.alerts))
    written = _template(form).render(message=message, words=describe_event, numbers=numbers_of, **shown)
    if form != SLACK:
        return written
    blocks: dict[str, Any] = json.loads(written)
    return {**blocks, "blocks": [_bounded(block) for block in blocks["blocks"]][:50]}


def _shown(message: MessageContent, most_brief: int) -> dict[str, Any]:
    """Return which alerts are written in full, which on one line each, and how many are only counted."""
    full, rest = message.alerts[:FULL], message.alerts[FULL:]
    return {"full": full, "brief": rest[:most_brief], "more": message.left_out + len(rest[most_brief:])}


def title(content: Mapping[str, Any]) -> str:
    """Return the message's title, for a mail's subject or a notification's head; it pings nobody."""
    return _without_mentions(from_json(content).title)


def _event(message: MessageContent) -> dict[str, Any]:
    """Return the body of a webhook, in the form of the Standard Webhooks: type, timestamp and data."""
    events = {item.event for item in message.alerts}
    kind = "test" if message.test else events.pop() if len(events) == 1 else "changed"
    return {"type": f"alert.{kind}", "timestamp": message.at, "data": to_json(message)}


def _bounded(block: dict[str, Any]) -> dict[str, Any]:
    text = block.get("text")
    if text is None or len(text["text"]) <= _LONGEST_SECTION:
        return block
    cut = text["text"][:_LONGEST_SECTION]
    lines = cut.rpartition("\n")[0] or _HALF_ENTITY.sub("", cut)
    fence = "\n```" if lines.count("```") % 2 else ""
    return {**block, "text": {**text, "text": f"{lines}{fence}\n…"}}


@lru_cache
def _template(form: str) -> "Template":
    folder = files("modelops_pipelines.channels").joinpath("templates")
    return _environment(form).from_string(folder.joinpath(_TEMPLATES[form]).read_text(encoding="utf-8"))


def _environment(form: str) -> "Environment":
    """Return the form's environment: whatever a template puts out is escaped there, unless it was escaped before."""
    from jinja2 import Environment, StrictUndefined

    made = Environment(
        autoescape=form == HTML,  # noqa: S701 - plain text needs none, and Slack has one of its own
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_for_slack if form == SLACK else _for_people,
    )
    made.filters |= {"slack_url": _slack_url, "without_angles": lambda text: text.translate(_ANGLES)}
    made.tests |= {"web": is_web}
    return made


def _for_people(value: object) -> object:
    """Let no text ping anybody, as services of apprise send it; addresses of mail and of pages stay as they are."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return _without_mentions(str(value)) if is_text and not is_web(str(value)) else value


def _without_mentions(text: str) -> str:
    return _MENTION.sub(_NO_MENTION, text)


def _for_slack(value: object) -> object:
    """Escape for Slack what is no Markup (as ``tojson`` returns): with < > & as text, nothing pings or links."""
    return value if hasattr(value, "__html__") else str(value).translate(_SLACK)


def _slack_url(url: str) -> str:
    return url.replace("|", "%7C").replace("<", "%3C").replace(">", "%3E").replace("&", "&amp;")
