"""Trying alert rules and channels by commands."""

import socket

from examples.flights.receiver import receiving
from modelops_pipelines.operations.alerting.configuration import keep_alerting
from tests.support.command_line import modelops
from tests.support.project import Project

RULES = "  alerts: [{kind: error_rate, above: 0.1}, {name: never, kind: quality, metric: log_loss, above: 1000}]\n"
CHANNELS = """\
channels:
  receiver: {{webhook: "{url}", secret: "env:TRIAL_SECRET", allow_private: true}}
  nobody: {{webhook: "http://127.0.0.1:{port}/", allow_private: true}}
"""


def _write_channels(project: Project, url: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        text = CHANNELS.format(url=url, port=free.getsockname()[1])
    project.stores.settings.alerting_file.write_text(text)


def test_rules_are_tried_and_the_exit_code_tells_of_one_that_never_fires(fresh: Project) -> None:
    file = next(fresh.stores.settings.endpoints.glob("*.yaml"))
    file.write_text(file.read_text() + RULES)
    _write_channels(fresh, "http://127.0.0.1:9/")
    done = modelops(fresh, "alert", "test", "--rule", "error_rate", fresh.spec.name, "--json")
    [trial] = done.json
    assert (0, "fires", ["nobody", "receiver"]) == (done.code, trial["result"], trial["told"])
    done = modelops(fresh, "alert", "test", fresh.spec.name, "--rule", "never")
    assert 3 == done.code
    assert "does not fire" in done.out
    assert not fresh.stores.alerts.find()


def test_a_fault_of_alerting_yaml_is_shown_by_its_line_and_the_routes_in_force_are_told(fresh: Project) -> None:
    _write_channels(fresh, "http://127.0.0.1:9/")
    keep_alerting(fresh.stores.settings)
    path = fresh.stores.settings.alerting_file
    path.write_text(path.read_text() + "routes:\n  - {channels: [nosuch]}\n")
    done = modelops(fresh, "alert", "test", "--rule", "error_rate", fresh.spec.name, "--json")
    assert (3, ["nobody", "receiver"]) == (done.code, done.json[0]["told"])
    assert f"{path}:5: " in done.err
    assert "nosuch" in done.err


def test_a_test_message_goes_through_each_channel_and_the_exit_code_tells_of_one_that_does_not_answer(
    fresh: Project,
) -> None:
    with receiving(b"a secret of thirty two bytes ...") as receiver:
        _write_channels(fresh, receiver.url)
        done = modelops(fresh, "alert", "test", "--channel", "receiver", TRIAL_SECRET=receiver.secret)
        assert 0 == done.code
        assert "delivered" in done.out
        done = modelops(fresh, "alert", "test", "--channels", "--json", TRIAL_SECRET=receiver.secret)
        assert 3 == done.code
        assert {"receiver": "delivered", "nobody": "not delivered"} == {
            row["channel"]: row["result"] for row in done.json
        }
        assert [True, True] == [one.signed for one in receiver.received]
        assert receiver.secret not in done.out + done.err


def test_a_heartbeat_that_is_refused_is_told(fresh: Project) -> None:
    fresh.stores.settings.alerting_file.write_text("heartbeat: {url: 'http://127.0.0.1:9/'}\n")
    done = modelops(fresh, "alert", "test", "--channels", "--json")
    [row] = done.json
    assert (3, "(heartbeat)", "not delivered") == (done.code, row["channel"], row["result"])
    assert "allow_private" in row["reason"]


def test_channels_and_an_endpoint_are_not_tried_together(fresh: Project) -> None:
    assert 2 == modelops(fresh, "alert", "test", fresh.spec.name, "--channels").code
