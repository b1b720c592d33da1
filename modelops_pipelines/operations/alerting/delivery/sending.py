"""Sends one message through one channel. Addresses and secrets are read for the try, and kept nowhere."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from modelops_pipelines.channels.outcome import Outcome, failed
from modelops_pipelines.channels.secret_values import value_of
from modelops_pipelines.channels.signatures import signed_headers
from modelops_pipelines.channels.webhook import post_webhook
from modelops_pipelines.core.alerting.configuration import Channel
from modelops_pipelines.core.errors import SettingsError

APPRISE = "apprise"
_AGENT = {"user-agent": "modelops_pipelines"}


def send(channel: Channel, message_id: str, content: Mapping[str, Any], now: datetime) -> Outcome:
    """Try once to send a message; the outcome's words quote no secret."""
    try:
        url = value_of(channel.url)
        if channel.kind == APPRISE:
            return _by_apprise(channel, url, content)
        body, media = _body(channel, content)
        secrets = [value_of(reference) for reference in channel.secrets]
        signed = signed_headers(secrets, message_id, int(now.timestamp()), body)
        headers = {**_AGENT, "content-type": media, **signed}
    except SettingsError as error:
        return failed(str(error))
    return post_webhook(url, body, headers, allow_private=channel.allow_private)


def _by_apprise(channel: Channel, url: str, content: Mapping[str, Any]) -> Outcome:
    from modelops_pipelines.channels.apprise_channel import send_by_apprise
    from modelops_pipelines.channels.rendering import render, title

    body = str(render(content, channel.form))
    return send_by_apprise(url, title(content), body, channel.form, allow_private=channel.allow_private)


def _body(channel: Channel, content: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return a webhook's body and its type. As JSON it lists every change, however many people are shown."""
    from modelops_pipelines.channels.rendering import render

    written = render(content, channel.form)
    if isinstance(written, str):
        return written.encode(), "text/plain; charset=utf-8"
    if channel.form == "json" and "changes" in content:
        written = {**written, "data": {**written["data"], "changes": content["changes"]}}
    return json.dumps(written).encode(), "application/json"


def mark_of(channel: Channel, key: bytes) -> str:
    """Return a mark that changes with the channel's configuration, address and secrets, and tells none of them."""
    values: list[str] = [channel.kind, channel.form, str(channel.allow_private)]
    for reference in (channel.url, *channel.secrets):
        try:
            values.append(value_of(reference))
        except SettingsError:
            values.append("")
    return hmac.new(key, json.dumps(values).encode(), hashlib.sha256).hexdigest()
