"""The person on call: a receiver is told of alerts by signed webhooks, and the alert on the bad version is taken on.

``alerting.yaml`` and the secret that is shared with the receiver are in the demo's home.
"""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from examples.flights.receiver import Received, Receiver
from modelops_pipelines.operations.alerting.life.act_on_alerts import acknowledge
from modelops_pipelines.store.filesystem.files import write_atomically

if TYPE_CHECKING:
    from modelops_pipelines.store.stores import Stores

RULE = "worse_than_chance"
FILE, SECRET_FILE, PAGE = "alerting.yaml", "receiver.secret", "message.html"
SECRET_BYTES = 32
WAIT_SECONDS = 180.0
_YAML = """\
# Written by the demo: every alert goes to a receiver that the demo runs.
channels:
  on_call: {{webhook: "{url}", secret: "file:{secret}", allow_private: true}}
"""


class OnCall:
    """Waits for the message on the bad version, acknowledges the alert, and waits until it is resolved."""

    def __init__(self, stores: "Stores", receiver: Receiver, endpoint: str) -> None:
        """Nothing has been told yet."""
        self._stores, self._receiver, self._endpoint = stores, receiver, endpoint
        self._told: dict[str, Received] = {}
        self._since = 0

    def watch(self) -> None:
        """Look at the messages from now on."""
        self._since = len(self._receiver.received)

    def take_on(self) -> str:
        """Wait for the message, and acknowledge the alert; return what was told."""
        message = self._wait("opened")
        if message is None:
            return f"no message about {RULE} came within {WAIT_SECONDS:.0f} s"
        self._keep_page()
        number = next(int(one["alert_id"]) for one in message.alerts if one["rule"] == RULE)
        acknowledge(self._stores, number, "demo", "the version is being rolled back")
        self._wait("acknowledged")
        return f"message to the person on call, who acknowledges the alert: {message.title}"

    def see_the_end(self) -> str:
        """Wait for the message that the alert is resolved; return what was told."""
        message = self._wait("resolved")
        return "no message that it is resolved" if message is None else f"message: {message.title}"

    def happened(self) -> dict[str, bool]:
        """Return which messages came, each with a right signature."""
        signed = {event for event, message in self._told.items() if message.signed}
        return {f"alert {event}": event in signed for event in ("opened", "acknowledged", "resolved")}

    def _wait(self, event: str) -> Received | None:
        found = self._receiver.wait(self._endpoint, WAIT_SECONDS, rule=RULE, event=event, since=self._since)
        if found is not None:
            self._told[event] = found
        return found

    def _keep_page(self) -> None:
        """Write the message as a mail would show it."""
        from modelops_pipelines.channels.rendering import render

        alert = next(one for one in self._stores.alerts.find(self._endpoint) if one.rule == RULE)
        messages = self._stores.messages.of_alert(int(alert.id or 0))
        page = str(render(messages[0].content, "html"))
        write_atomically(self._stores.settings.home / PAGE, page.encode())


def write_alerting(home: Path, receiver: Receiver) -> Path:
    """Write ``alerting.yaml`` and the receiver's secret into a home; return the file's path."""
    write_atomically(home / SECRET_FILE, receiver.secret.encode())
    (home / SECRET_FILE).chmod(0o600)
    file = home / FILE
    file.write_text(_YAML.format(url=receiver.url, secret=SECRET_FILE))
    return file


def new_secret() -> bytes:
    """Return a new secret to share with a receiver."""
    return secrets.token_bytes(SECRET_BYTES)
