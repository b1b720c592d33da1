"""``alerting.yaml``: what it says, and what is refused, by line and with the remedy; no secret is quoted."""

from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.configuration import AlertingConfiguration, Channel, MaintenanceWindow, Route
from modelops_pipelines.operations.alerting.configuration import (
    alerting_configuration,
    alerting_faults,
    keep_alerting,
)
from modelops_pipelines.operations.endpoints.yaml.alerting import parse_alerting
from modelops_pipelines.store.settings import load_settings

WHOLE = """\
channels:
  night: {webhook: env:NIGHT_URL, secret: env:NIGHT_SECRET}
  local: {webhook: "http://127.0.0.1:9000/alerts", secrets: [env:NEW, file:old.key], allow_private: true, form: slack}
  mail: {apprise: env:MAIL_URL, form: html}
routes:
  - match: {severity: error, labels.team: "fl*"}
    channels: [night]
    escalate: {after: 15m, to: [mail]}
  - channels: [mail]
maintenance:
  - {weekly: "Sun 02:00-04:00 Europe/Berlin", reason: backups, match: {endpoint: "batch_*"}}
heartbeat: {url: env:HEARTBEAT_URL, every: 2m}
group_wait: 10s
"""
SECRET = "hunter2hunter2hunter2"
FAULTY = {
    "a secret in place of its name": (f"channels:\n  night: {{webhook: env:URL, secret: {SECRET}}}\n", 2, "env:NAME"),
    "a secret that is a number": ("channels:\n  night: {webhook: env:URL, secret: 123456789}\n", 2, "env:NAME"),
    "an apprise address": (f"channels:\n  mail: {{apprise: 'mailto://me:{SECRET}@example.com'}}\n", 2, "env:NAME"),
    "a user in an address": (
        f"channels:\n  night: {{webhook: 'https://me:{SECRET}@example.com/'}}\n",
        2,
        "what may be a secret in it. Write env:NAME",
    ),
    "a query": (f"channels:\n  night: {{webhook: 'https://example.com/?key={SECRET}'}}\n", 2, "env:NAME"),
    "a token in a path": (f"channels:\n  night: {{webhook: 'https://example.com/T1/{SECRET}'}}\n", 2, "env:NAME"),
    "another scheme": (f"channels:\n  night: {{webhook: 'ftp://example.com/{SECRET}'}}\n", 2, "env:NAME"),
    "no address": ("channels:\n  night: {webhook: 'https://:70000/'}\n", 2, "not a valid address"),
    "two kinds": ("channels:\n  night: {webhook: env:A, apprise: env:B}\n", 2, "both webhook and apprise"),
    "no kind": ("channels:\n  night: {}\n", 2, "says not where to send"),
    "url for webhook": ("channels:\n  night: {url: env:A}\n", 2, "Write 'webhook: env:NAME'"),
    "a signed mail": ("channels:\n  mail: {apprise: env:A, secret: env:B}\n", 2, "signs webhooks only"),
    "another form": ("channels:\n  night: {webhook: env:A, form: html}\n", 2, "form: is not a form of webhook"),
    "no name": ("channels:\n  9 lives: {webhook: env:A}\n", 2, "is not a channel's name"),
    "no mapping of channels": ("channels: [night]\n", 1, "must be a mapping"),
    "an unknown channel": ("channels:\n  night: {webhook: env:A}\nroutes:\n  - channels: [nigth]\n", 4, "'night'"),
    "no channels in a route": ("channels:\n  night: {webhook: env:A}\nroutes:\n  - match: {kind: x}\n", 4, "missing"),
    "an unknown field": (
        "channels:\n  night: {webhook: env:A}\nroutes:\n  - channels: [night]\n    match: {sverity: error}\n",
        5,
        "Did you mean 'severity'?",
    ),
    "half an escalation": (
        "channels:\n  night: {webhook: env:A}\nroutes:\n  - channels: [night]\n    escalate: {after: 5m}\n",
        5,
        "Write {after: 15m, to: [CHANNEL]}",
    ),
    "no reason": ('maintenance:\n  - weekly: "Sun 02:00-04:00 UTC"\n', 2, "Write why"),
    "no time of a day": ('maintenance:\n  - {once: "tonight", reason: backups}\n', 2, "is not a time of one day"),
    "no weekly time": ('maintenance:\n  - {weekly: "Sunday night", reason: backups}\n', 2, "is not a weekly time"),
    "an unknown key": ("chanels: {}\n", 1, "Did you mean 'channels'?"),
    "a wait that is none": ("group_wait: 3\n", 1, "must be a duration"),
    "a long wait": ("group_wait: 1h\n", 1, "Write at most 10m"),
    "a heartbeat too often": ("heartbeat: {url: env:A, every: 1s}\n", 1, "Write at least 10s"),
    "no heartbeat's address": ("heartbeat: {every: 1m}\n", 1, "Write 'url: env:NAME'"),
    "no YAML": ("channels: [\n", 2, "is not valid YAML"),
}


def test_a_whole_file_says_who_is_told_of_what() -> None:
    found, faults = parse_alerting(WHOLE, Path("/project/alerting.yaml"))
    channels = (
        Channel("night", "webhook", "env:NIGHT_URL", ("env:NIGHT_SECRET",)),
        Channel(
            "local",
            "webhook",
            "http://127.0.0.1:9000/alerts",
            ("env:NEW", "file:/project/old.key"),
            allow_private=True,
            form="slack",
        ),
        Channel("mail", "apprise", "env:MAIL_URL", form="html"),
    )
    first = Route(("night",), {"severity": "error", "labels.team": "fl*"}, timedelta(minutes=15), ("mail",))
    window = MaintenanceWindow("Sun 02:00-04:00 Europe/Berlin", "backups", {"endpoint": "batch_*"})
    heartbeat = Channel("heartbeat", "webhook", "env:HEARTBEAT_URL")
    expected = AlertingConfiguration(
        channels, (first, Route(("mail",))), (window,), heartbeat, timedelta(minutes=2), timedelta(seconds=10)
    )
    assert ((), expected) == (faults, found)


def test_without_routes_each_alert_goes_to_each_channel() -> None:
    found, _ = parse_alerting("channels:\n  a: {webhook: env:A}\n  b: {webhook: env:B}\n", Path("alerting.yaml"))
    assert (Route(("a", "b")),) == found.routes


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "channels: {}\n"])
def test_a_file_that_says_nothing_tells_nobody(text: str) -> None:
    assert (AlertingConfiguration(), ()) == parse_alerting(text, Path("alerting.yaml"))


@pytest.mark.parametrize("case", FAULTY)
def test_a_fault_names_its_line_and_remedy_and_quotes_no_secret(case: str) -> None:
    text, line, words = FAULTY[case]
    _, faults = parse_alerting(text, Path("alerting.yaml"))
    said = "\n".join(map(str, faults))
    assert {line} == {fault.line for fault in faults}, said
    assert words in said
    assert SECRET not in said
    assert "123456789" not in said


@pytest.mark.parametrize(
    "text",
    [
        "channels:\n  a: {webhook: env:A, secrets: whsec_%s}\n",
        "channels:\n  a: {webhook: env:A, secrets: {x: whsec_%s}}\n",
        "channels:\n  a: {webhook: env:A, %s: x}\n",
        "channels:\n  a: {webhook: https://x.com/%s: y}\n",
        "channels:\n  a: {webhook: env:A, form: %s}\n",
        "channels:\n  a: {webhook: env:A, allow_private: '%s'}\n",
        "channels:\n  a: {webhook: env:A, allow_private: %s}\n",
        "channels:\n  a: https://x.com/%s\n",
        "channels: [a, 'https://x.com/%s']\n",
        "channels:\n  'https://x.com/%s': {webhook: env:A}\nroutes: [{channels: [b]}, {match: {kind: x}}]\n",
        "channels:\n  a: {webhook: env:A}\nroutes: [{channels: [https://x.com/%s]}]\n",
        "channels:\n  a: {webhook: env:A}\nroutes: [{channels: [a], match: {%s: x, kind: {%s: 1}}}]\n",
        "channels:\n  a: *%s\n",
        "heartbeat: 'https://hc-ping.com/%s'\n",
        "heartbeat: {url: env:A, every: '%s'}\n",
        "heartbeat: {url: env:A, every: !%s 5}\n",
        "group_wait: %s\n",
        "maintenance: [{weekly: %s, reason: 12}]\n",
        "%s\n",
    ],
)
def test_no_fault_quotes_a_secret_wherever_it_stands(text: str) -> None:
    _, faults = parse_alerting(text.replace("%s", SECRET), Path("alerting.yaml"))
    assert faults
    assert SECRET not in "\n".join(map(str, faults))


@pytest.mark.parametrize(
    "path",
    [
        "bot123456789:AAE{0}/sendMessage",
        "hook/eyJh.{0}.sig",
        "hook;token=short",
        "hook/{0}~",
        "hook/%7e{0}",
        "hook/~{0}%41",
        "{0}/",
    ],
)
def test_a_token_in_any_part_of_a_written_address_is_refused(path: str) -> None:
    text = f"channels:\n  a: {{webhook: 'https://example.com/{path.format(SECRET)}'}}\n"
    _, faults = parse_alerting(text, Path("alerting.yaml"))
    assert ["is an address with what may be a secret in it"] == [fault.problem for fault in faults]


def test_what_held_before_stays_in_force_while_the_file_has_a_fault(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})
    settings.home.mkdir()
    assert AlertingConfiguration() == alerting_configuration(settings)
    settings.alerting_file.write_text("channels:\n  night: {webhook: env:A}\n")
    before = alerting_configuration(settings)
    assert ["night"] == [channel.name for channel in before.channels]
    settings.alerting_file.write_text("channels:\n  night: {webhook: 'oops'}\n")
    assert before == alerting_configuration(settings)
    assert ["channels.night.webhook"] == [fault.culprit for fault in alerting_faults(settings)]


def test_what_held_before_stays_in_force_after_a_restart(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})
    settings.home.mkdir()
    settings.alerting_file.write_text("channels:\n  night: {webhook: env:A}\n")
    keep_alerting(settings)
    settings.alerting_file.write_text("channels: oops\n")
    keep_alerting(settings)
    assert ["night"] == [channel.name for channel in alerting_configuration(settings).channels]


def test_a_file_that_is_gone_is_a_fault_and_an_empty_one_is_not(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})
    settings.home.mkdir()
    assert () == alerting_faults(settings)
    settings.alerting_file.write_text("channels:\n  night: {webhook: env:A}\n")
    before = alerting_configuration(settings)
    for keeps in (False, True):
        if keeps:
            keep_alerting(settings)
        settings.alerting_file.unlink()
        keep_alerting(settings)
        assert before == alerting_configuration(settings)
        assert ["is gone"] == [fault.problem for fault in alerting_faults(settings)]
        settings.alerting_file.write_text("channels:\n  night: {webhook: env:A}\n")
    settings.alerting_file.write_text("")
    keep_alerting(settings)
    assert AlertingConfiguration() == alerting_configuration(settings)
    settings.alerting_file.unlink()
    assert (AlertingConfiguration(), ()) == (alerting_configuration(settings), alerting_faults(settings))


def test_the_file_may_be_anywhere(tmp_path: Path) -> None:
    assert tmp_path / "alerting.yaml" == load_settings(tmp_path, {}).alerting_file
    assert tmp_path / "on_call.yaml" == load_settings(tmp_path, {"MODELOPS_ALERTING": "on_call.yaml"}).alerting_file
