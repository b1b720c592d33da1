"""Mail goes through a real SMTP server, and its address is in no log."""

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from modelops_pipelines.operations.alerting.delivery.deliver import deliver_due
from tests.support.ports import free_port
from tests.support.telling import NOW, project, tell, untold

MAIL = "channels:\n  mail: {{apprise: env:MAIL_URL, form: {form}, allow_private: true}}\n"


class Mailbox:
    """What the server was given."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        return "250 OK"


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    box = Mailbox()
    port = free_port()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    monkeypatch.setenv("MAIL_URL", f"mailto://127.0.0.1:{port}?from=alerts@ml.example&to=night@ml.example")
    try:
        yield box
    finally:
        server.stop()


@pytest.mark.parametrize("form", ["text", "html"])
def test_an_alert_is_a_mail(tmp_path: Path, mailbox: Mailbox, form: str) -> None:
    stores = project(tmp_path, MAIL.format(form=form))
    tell(stores, "flights", "opened", ["mail"], NOW)
    assert deliver_due(stores, NOW, seconds=60)
    assert 0 == untold(stores), stores.messages.recent()
    [mail] = mailbox.mails
    assert "flights" in mail["subject"]
    assert "night@ml.example" in mail["to"]
    body = mail.get_body(("html",) if form == "html" else ("plain",))
    assert body is not None
    assert "drift of flights" in body.get_content()


def test_a_mail_server_that_is_down_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_URL", f"mailto://127.0.0.1:{free_port()}?from=alerts@ml.example&to=night@ml.example")
    stores = project(tmp_path, MAIL.format(form="text"))
    tell(stores, "flights", "opened", ["mail"], NOW)
    deliver_due(stores, NOW, seconds=60)
    [message] = stores.messages.recent()
    assert ("pending", "apprise could not connect") == (message.status, message.last_error)
