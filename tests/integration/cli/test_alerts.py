"""Working with alerts by commands: list, show, acknowledge, resolve, silence, rules and dead letters."""

import json

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN
from tests.fakes.raised_alerts import given_up, raised
from tests.support.command_line import modelops, refused
from tests.support.project import Project


def test_an_alert_goes_its_way_from_open_to_resolved(fresh: Project) -> None:
    number = raised(fresh.stores).id
    assert [(number, "open")] == [(row["id"], row["state"]) for row in modelops(fresh, "alert", "list", "--json").json]
    done = modelops(fresh, "alert", "ack", str(number), "--note", "on it")
    assert f"Alert {number} (cancer, error_rate) is acknowledged by cli:" in done.out
    [row] = modelops(fresh, "alert", "list", "--json").json
    assert ("acknowledged", OPEN, "on it") == (row["state"], row["status"], row["note"])
    assert "acknowledged by cli:" in modelops(fresh, "alert", "list").out
    [ended] = modelops(fresh, "alert", "resolve", str(number), "--reason", "rolled back", "--json").json
    assert ("resolved", "rolled back") == (ended["state"], ended["resolution"])
    assert [] == modelops(fresh, "alert", "list", "--json").json
    assert [number] == [row["id"] for row in modelops(fresh, "alert", "list", "--all", "--json").json]
    assert [number] == [row["id"] for row in modelops(fresh, "alert", "list", "--state", "resolved", "--json").json]
    refused(modelops(fresh, "alert", "resolve", str(number), "--reason", "again"), "was resolved by cli:")


def test_an_alert_is_shown_with_its_numbers_its_history_and_who_was_told(fresh: Project) -> None:
    alert = raised(fresh.stores)
    given_up(fresh.stores, alert, "msg_1")
    modelops(fresh, "alert", "ack", str(alert.id), "--note", "on it")
    shown = modelops(fresh, "alert", "show", str(alert.id)).out
    for said in ("cancer / error_rate: acknowledged by cli:", "threshold: 0.1", "rows: 1,200", "History", "Messages"):
        assert said in shown
    details = modelops(fresh, "alert", "show", str(alert.id), "--json").json
    assert ["opened", "acknowledged"] == [event["event"] for event in details["history"]]
    assert {"causes", "links", "messages", "runbook", "labels"} <= set(details)


def test_what_is_not_there_is_said_with_the_command_that_lists_what_is(fresh: Project) -> None:
    for arguments in (["show", "7"], ["ack", "7"], ["resolve", "7", "--reason", "x"], ["silence", "7", "--for", "1h"]):
        more = ["--reason", "x"] if arguments[0] == "silence" else []
        refused(modelops(fresh, "alert", *arguments, *more), "There is no alert 7")
    refused(modelops(fresh, "alert", "unsilence", "7"), "There is no silence 7")
    refused(modelops(fresh, "alert", "dead-letters", "--resend", "nothing"), "There is no dead letter 'nothing'")


def test_a_silenced_alert_says_by_which_silence_and_until_when(fresh: Project) -> None:
    alert = raised(fresh.stores)
    until = ("--until", "2100-01-01", "--reason", "moving house")
    number = modelops(fresh, "alert", "silence", str(alert.id), *until, "--json").json["id"]
    by = f"silence {number} until 2100-01-01T00:00Z: moving house"
    assert [by] == [row["silenced"] for row in modelops(fresh, "alert", "list", "--json").json]
    assert f"open, silenced (silence {number} until 2100-01-01T00" in modelops(fresh, "alert", "list").out
    shown = modelops(fresh, "alert", "show", str(alert.id)).out
    assert f"It is silenced now by {by}" in shown
    assert "see alerting.yaml" not in shown
    modelops(fresh, "alert", "unsilence", str(number))
    assert modelops(fresh, "alert", "show", str(alert.id), "--json").json["silenced"] is None


@pytest.mark.parametrize("arguments", [["show"], ["ack"], ["unsilence"]])
def test_a_number_that_nothing_can_have_is_refused_with_words(fresh: Project, arguments: list[str]) -> None:
    done = modelops(fresh, "alert", *arguments, "99999999999999999999")
    assert (2, "") == (done.code, done.out)
    assert "99999999999999999999 is not in the range 1<=x<=" in done.err


def test_a_silence_is_made_listed_and_ended(fresh: Project) -> None:
    alert = raised(fresh.stores)
    why = ("--reason", "moving house")
    made = modelops(fresh, "alert", "silence", str(alert.id), "--for", "2h", "--json", *why).json
    assert ({"endpoint": "cancer", "rule": "error_rate"}, "active") == (made["matchers"], made["status"])
    times = "Sun 02:00-04:00 Europe/Berlin"
    weekly = modelops(fresh, "alert", "silence", "--label", "team=ops", "--weekly", times, "--json", *why).json
    assert ({"labels.team": "ops"}, times, None) == (weekly["matchers"], weekly["weekly"], weekly["until"])
    assert [weekly["id"], made["id"]] == [row["id"] for row in modelops(fresh, "alert", "silences", "--json").json]
    assert f"Silence {made['id']} is over." in modelops(fresh, "alert", "unsilence", str(made["id"])).out
    assert [weekly["id"]] == [row["id"] for row in modelops(fresh, "alert", "silences", "--json").json]
    [_, old] = modelops(fresh, "alert", "silences", "--all", "--json").json
    assert ("over", "moving house") == (old["status"], old["reason"])
    assert "silenced" in [event.event for event in fresh.stores.alert_events.of(alert.id or 0)]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--for", "2h"], "Say which alerts"),
        (["--endpoint", "cancer"], "Say until when"),
        (["--endpoint", "cancer", "--for", "2h", "--until", "2030-01-01"], "Say until when"),
        (["--endpoint", "cancer", "--for", "long"], "'long' is not a duration"),
        (["--label", "team", "--for", "2h"], "is not NAME=VALUE"),
        (["7", "--endpoint", "cancer", "--for", "2h"], "An ID names its endpoint and rule"),
    ],
)
def test_a_silence_without_matchers_or_an_end_is_a_usage_error(
    fresh: Project, options: list[str], problem: str
) -> None:
    done = modelops(fresh, "alert", "silence", "--reason", "x", *options)
    assert (2, True) == (done.code, problem in done.err)


def test_a_silence_of_an_endpoint_that_there_is_not_says_so(fresh: Project) -> None:
    more = ("--for", "2h", "--reason", "x")
    assert "no endpoint is named 'nosuch' yet" in modelops(fresh, "alert", "silence", "--endpoint", "nosuch", *more).err
    assert "no endpoint" not in modelops(fresh, "alert", "silence", "--endpoint", "can*", *more).err


def test_a_key_of_a_rule_that_is_given_twice_is_refused(fresh: Project) -> None:
    done = modelops(fresh, "alert", "rules", "add", "cancer", "kind=volume", "above=5", "above=6")
    assert (2, "") == (done.code, done.out)
    assert "above is given twice" in done.err


def test_a_rule_that_replaces_one_says_what_it_was(fresh: Project) -> None:
    add = ("alert", "rules", "add", "cancer", "kind=error_rate", "name=er2")
    assert "It replaces" not in modelops(fresh, *add, "above=0.2", "owner=team:ops").out
    again = modelops(fresh, *add, "above=0.3").out
    assert "It replaces the one before as a whole (kind: error_rate" in again
    assert "owner: team:ops" in again


def test_dead_letters_are_listed_and_sent_again_under_their_ids(fresh: Project) -> None:
    alert = raised(fresh.stores)
    for message_id in ("msg_1", "msg_2", "msg_3"):
        given_up(fresh.stores, alert, message_id)
    listed = modelops(fresh, "alert", "dead-letters", "--json").json
    assert {"msg_1", "msg_2", "msg_3"} == {row["message_id"] for row in listed}
    assert {("ops", "500 from the receiver", "[error] cancer: error_rate opened")} == {
        (row["channel"], row["last_error"], row["title"]) for row in listed
    }
    assert {"resent": ["msg_2"]} == modelops(fresh, "alert", "dead-letters", "--resend", "msg_2", "--json").json
    assert "2 message(s)" in modelops(fresh, "alert", "dead-letters", "--resend", "--all").out
    assert "There are no dead letters." in modelops(fresh, "alert", "dead-letters").err
    assert 2 == modelops(fresh, "alert", "dead-letters", "--resend").code


def test_rules_are_added_listed_exported_and_removed_at_run_time(fresh: Project) -> None:
    given = ("kind=latency", "percentile=99", "above=800", "for=5m", "labels.team=ops", "owner=team:ops")
    made = modelops(fresh, "alert", "rules", "add", "cancer", *given, "--json").json
    assert ("latency_p99", 1) == (made["name"], made["version"])
    rows = {row["rule"]: row for row in modelops(fresh, "alert", "rules", "cancer", "--json").json}
    assert ("run time", "yaml") == (rows["latency_p99"]["source"], rows["error_rate"]["source"])
    assert {"team": "ops"} == rows["latency_p99"]["definition"]["labels"]
    assert "percentile: 99" in modelops(fresh, "alert", "rules", "export", "cancer").out
    path = fresh.folder / "rule.yaml"
    path.write_text(json.dumps({"kind": "latency", "percentile": 99, "above": 900}))
    assert 2 == modelops(fresh, "alert", "rules", "add", "cancer", "--file", str(path), "--json").json["version"]
    assert "is removed" in modelops(fresh, "alert", "rules", "remove", "cancer", "latency_p99").out
    refused(modelops(fresh, "alert", "rules", "remove", "cancer", "error_rate"), "is in the YAML of endpoint 'cancer'")


def test_the_list_of_endpoints_counts_their_alerts_by_state(fresh: Project) -> None:
    taken = raised(fresh.stores).id
    raised(fresh.stores, rule="drift", severity="warning")
    modelops(fresh, "alert", "ack", str(taken))
    [row] = modelops(fresh, "endpoint", "list", "--json").json
    assert {"open": 1, "acknowledged": 1, "pending": 0, "flapping": 0} == row["alerts"]
    assert "1 open, 1 acknowledged" in modelops(fresh, "endpoint", "list").out
