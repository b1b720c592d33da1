"""Runs in a process of its own for one message: hands it to ``apprise``, and says what became of it.

Address and message come by standard input and nothing but the outcome leaves: apprise logs addresses, and some of its
services connect to any host that their address names. Started by ``apprise_channel``.
"""

import json
import logging
import os
import re
import sys
from typing import Any

from modelops_pipelines.channels.guard import Guard

_STATUS = re.compile(r"\berror=(\d{3})\b")


class _Heard(logging.Handler):
    """Keeps of what apprise logs the status codes alone, and that it could not connect."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.status: int | None = None
        self.is_unconnected = False

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        found = _STATUS.search(text)
        self.status = int(found[1]) if found else self.status
        self.is_unconnected = self.is_unconnected or "Connection error" in text


def main() -> None:
    """Send the message on standard input, and write the outcome to what was standard output."""
    given = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    json.dump(_send(given), answer)
    answer.close()


def _send(given: dict[str, Any]) -> dict[str, Any]:
    import apprise

    heard = _listen()
    asset = apprise.AppriseAsset(async_mode=False, storage_mode="memory", secure_logging=True)
    service = apprise.Apprise.instantiate(given["url"], asset=asset, suppress_exceptions=True)
    if service is None:
        return {"is_known": False}
    service.overflow_mode = apprise.OverflowMode.TRUNCATE
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    guard = Guard(allow_private=given["allow_private"])
    form = apprise.NotifyFormat.HTML if given["form"] == "html" else apprise.NotifyFormat.TEXT
    try:
        is_delivered = bool(sender.notify(body=given["body"], title=given["title"], body_format=form))
    except Exception:  # noqa: BLE001 - whatever a service raises, the message is not delivered, and its text may be a secret
        is_delivered = False
    return {
        "is_known": True,
        "is_delivered": is_delivered,
        "is_refused": guard.has_refused,
        "status": heard.status,
        "is_unconnected": heard.is_unconnected,
    }


def _listen() -> _Heard:
    heard = _Heard()
    logger = logging.getLogger("apprise")
    logger.handlers, logger.propagate = [heard], False
    logger.setLevel(logging.WARNING)
    return heard


if __name__ == "__main__":
    main()
