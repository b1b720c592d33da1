"""A message that is marked as a test, sent for real to a receiver on this machine."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.flights.receiver import Receiver, receiving
from modelops_pipelines.core.errors import SettingsError, UnknownError
from modelops_pipelines.operations.testing.trial_messages import send_trial_messages
from tests.support.project import Project, make_project

YAML = """\
channels:
  receiver: {{webhook: "{url}", secret: "env:TRIAL_SECRET", allow_private: true}}
  nobody: {{webhook: "http://127.0.0.1:{port}/", allow_private: true}}
"""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving(b"a secret of thirty two bytes ...") as running:
        monkeypatch.setenv("TRIAL_SECRET", running.secret)
        yield running


@pytest.fixture
def project(tmp_path: Path, receiver: Receiver) -> Project:
    made = make_project(tmp_path / "project")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made.stores.settings.alerting_file.write_text(YAML.format(url=receiver.url, port=port))
    return made


def test_a_channel_is_sent_a_signed_message_that_is_marked_as_a_test(project: Project, receiver: Receiver) -> None:
    [sent] = send_trial_messages(project.stores, "receiver", actor="cli:tester")
    assert (sent.channel, sent.result, sent.failed) == ("receiver", "delivered", False)
    [message] = receiver.received
    assert message.signed
    assert "alert.test" == message.body["type"]
    assert message.body["data"]["test"] is True
    assert message.title.startswith("[TEST]")
    assert "nothing has happened" in message.alerts[0]["message"]


def test_every_channel_is_tried_and_one_that_does_not_answer_is_told(project: Project) -> None:
    sent = send_trial_messages(project.stores, actor="cli:tester")
    assert {"receiver": False, "nobody": True} == {one.channel: one.failed for one in sent}
    assert next(one.reason for one in sent if one.failed)


def test_nothing_of_a_test_is_in_the_state(project: Project) -> None:
    send_trial_messages(project.stores, actor="cli:tester")
    assert not project.stores.alerts.find()
    assert not project.stores.messages.recent()


def test_an_unknown_channel_and_a_faulty_file_are_refused(project: Project) -> None:
    with pytest.raises(UnknownError, match="receiver, nobody"):
        send_trial_messages(project.stores, "reciever", actor="cli:tester")
    project.stores.settings.alerting_file.write_text("channels: {x: {}}\n")
    with pytest.raises(SettingsError, match="says not where to send"):
        send_trial_messages(project.stores, actor="cli:tester")
