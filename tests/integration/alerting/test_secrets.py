"""Planted secrets of channels are in no file of the home, no log line, no message and no error."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelops_pipelines.operations.alerting.configuration import alerting_faults
from modelops_pipelines.operations.alerting.delivery.channel_watch import watch_channels
from modelops_pipelines.operations.alerting.delivery.deliver import deliver_due
from modelops_pipelines.operations.alerting.delivery.heartbeat import Heart
from modelops_pipelines.operations.alerting.delivery.watchers import GATEWAY, Watcher
from modelops_pipelines.store.stores import Stores
from tests.support.receiver import Receiver, receiving
from tests.support.telling import NOW, Clock, project, tell

PLANTED = "PlantedSecret"
KEY = "whsec_UGxhbnRlZFNlY3JldFBsYW50ZWRTZWNyZXQ="
VALUES = {
    "SIGNED": f"http://{PLANTED}1:{PLANTED}2@127.0.0.1:{{port}}/{PLANTED}3?token={PLANTED}4",
    "KEY": KEY,
    "WRONG_KEY": f"{PLANTED}5",
    "NO_HOST": f"https://{PLANTED.lower()}6.invalid/{PLANTED}7",
    "NO_URL": f"{PLANTED}8",
    "MAIL": f"mailto://{PLANTED}9:{PLANTED}10@127.0.0.1:{{port}}?from=a@b.example&to={PLANTED}11@c.example",
    "JSON": f"json://{PLANTED}12:{PLANTED}13@127.0.0.1:{{port}}/{PLANTED}14?-key={PLANTED}15",
    "PRIVATE": f"json://{PLANTED}16@127.0.0.1:{{port}}/",
    "NONSENSE": f"{PLANTED}17://{PLANTED}18",
    "BEAT": f"http://127.0.0.1:{{port}}/{PLANTED}19",
}
CHANNELS = """\
channels:
  signed: {webhook: env:SIGNED, secret: env:KEY, allow_private: true}
  wrong_key: {webhook: env:SIGNED, secret: env:WRONG_KEY, allow_private: true}
  no_host: {webhook: env:NO_HOST}
  no_url: {webhook: env:NO_URL}
  from_file: {webhook: "file:url.txt", allow_private: true}
  mail: {apprise: env:MAIL, allow_private: true}
  json: {apprise: env:JSON, allow_private: true}
  private: {apprise: env:PRIVATE}
  nonsense: {apprise: env:NONSENSE}
heartbeat: {url: env:BEAT, allow_private: true}
"""
NAMES = ["signed", "wrong_key", "no_host", "no_url", "from_file", "mail", "json", "private", "nonsense"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    written = io.StringIO()
    handler, root = logging.StreamHandler(written), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("answer", [204, 410, 500])
def test_no_secret_is_left_anywhere(
    tmp_path: Path,
    receiver: Receiver,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    answer: int | str,
) -> None:
    for name, value in VALUES.items():
        monkeypatch.setenv(name, value.format(port=receiver.port))
    (tmp_path / "url.txt").write_text(VALUES["SIGNED"].format(port=receiver.port))
    receiver.answer = answer
    receiver.headers = {"location": f"http://127.0.0.1:{receiver.port}/{PLANTED}20", "server": f"{PLANTED}21"}
    stores = project(tmp_path, CHANNELS)
    Watcher(GATEWAY).turn(stores, NOW)
    tell(stores, "flights", "opened", NAMES, NOW)
    clock = Clock()
    for _ in range(2):
        assert deliver_due(stores, clock(), seconds=120)
        watch_channels(stores, clock())
        clock.move(minutes=10)
    heart = Heart(stores)
    assert heart.turn(NOW)
    heart.wait(60)
    assert PLANTED in "".join(got.path for got in receiver.received)
    _require_clean(stores, log.getvalue() + "".join(capfd.readouterr()), answer)


def _require_clean(stores: Stores, said: str, answer: int | str) -> None:
    errors = {message.channel: str(message.last_error) for message in stores.messages.recent()}
    assert len(NAMES) == len(errors)
    if answer == 500:
        assert "the receiver answers 500" in errors["signed"]
    places = {"log": said.encode(), "errors": repr(errors).encode()}
    places["alerts"] = repr(stores.alerts.find()).encode()
    places |= {str(file): file.read_bytes() for file in stores.settings.home.rglob("*") if file.is_file()}
    needles = (PLANTED.lower().encode(), KEY.removeprefix("whsec_").lower().encode())
    assert [] == [place for place, content in places.items() if any(one in content.lower() for one in needles)]
    assert 1 < len(places)


def test_a_secret_that_is_written_into_the_file_is_not_repeated(tmp_path: Path) -> None:
    stores = project(tmp_path, f"channels:\n  mail: {{apprise: 'mailto://{PLANTED}@example.com'}}\n")
    watch_channels(stores, NOW)
    assert PLANTED not in repr(stores.alerts.find()) + repr(alerting_faults(stores.settings))
