"""The commands of keys, each in a process of its own."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from modelops_pipelines.core.access.api_keys import digest_of, id_of, is_wellformed
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.governance.key_usage import measure_usage
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.command_line import START as MODELOPS
from tests.support.command_line import Done, environment_of, modelops, refused
from tests.support.project import Project


def create(project: Project, *options: str) -> Done:
    done = modelops(project, "key", "create", "ci", *options)
    assert done.code == 0, done
    return done


def test_a_key_alone_is_on_stdout_and_all_talk_on_stderr(fresh: Project) -> None:
    done = create(fresh, "--role", "read", "--role", "predict", "--endpoint", "cancer", "--expires", "90d")
    text = done.out.removesuffix("\n")
    assert is_wellformed(text)
    kept = fresh.stores.keys.get(str(id_of(text)))
    assert (digest_of(text), "ci", "live", ("predict", "read"), ("cancer",)) == (
        kept.digest,
        kept.name,
        kept.mode,
        kept.roles,
        kept.endpoints,
    )
    assert kept.created_by.startswith("cli:")
    assert timedelta(days=90) == (kept.expires_at or kept.created_at) - kept.created_at
    assert f"Key {kept.key_id} (ci): live, predict, read on cancer, expires 20" in done.err
    assert "The key is shown only this once" in done.err
    assert text not in done.err


def test_a_shell_can_take_the_key_into_a_variable(fresh: Project) -> None:
    script = f'key=$("{sys.executable}" -c "$START" key create ci --role admin 2>/dev/null) && echo "[$key]"'
    environment = {**environment_of(fresh), "START": MODELOPS}
    done = subprocess.run(
        ["sh", "-c", script], cwd=fresh.folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert is_wellformed(done.stdout.strip()[1:-1]), done


def test_a_test_key_says_so(fresh: Project) -> None:
    made = create(fresh, "--role", "admin", "--test", "--json").json
    assert (made["mode"], made["roles"], made["endpoints"], made["expires_at"], made["status"]) == (
        "test",
        ["admin"],
        None,
        None,
        "active",
    )
    assert made["key"].startswith(f"sk_test_{made['key_id']}_")
    assert "digest" not in made


def test_a_key_of_a_team_says_so_and_that_the_team_owns_nothing_yet(fresh: Project) -> None:
    early = create(fresh, "--role", "read", "--team", "team:risk")
    assert "No endpoint has 'team:risk' among its owners yet" in early.err
    assert ": live, read on team:risk, never expires." in early.err
    [path] = (fresh.folder / "endpoints").glob("*.yaml")
    path.write_text(path.read_text() + "  owners: ['team:risk']\n")
    made = create(fresh, "--role", "read", "--team", "risk", "--endpoint", "cancer", "--json")
    assert ("risk", ["cancer"], "") == (made.json["team"], made.json["endpoints"], made.err)
    refused(
        modelops(fresh, "key", "create", "ci", "--role", "read", "--team", "media", "--endpoint", "cancer"),
        "The team 'media' owns no endpoint 'cancer'",
    )
    shown = [line.split()[4] for line in modelops(fresh, "key", "list").out.splitlines()]
    assert ["endpoints", "team:risk", "team:risk/cancer"] == shown


def test_a_rotated_key_is_printed_alone_and_the_old_one_ends(fresh: Project) -> None:
    old = create(fresh, "--role", "read", "--json").json
    done = modelops(fresh, "key", "rotate", old["key_id"], "--overlap", "2h")
    new = fresh.stores.keys.get(str(id_of(done.out.strip())))
    assert (done.code, new.replaces) == (0, old["key_id"])
    ends = fresh.stores.keys.get(old["key_id"]).expires_at
    assert ends is not None
    assert timedelta(hours=1, minutes=55) < ends - datetime.now(UTC) < timedelta(hours=2)
    refused(modelops(fresh, "key", "rotate", old["key_id"]), f"was replaced by {new.key_id} already")
    made = modelops(fresh, "key", "rotate", new.key_id, "--json").json
    assert (is_wellformed(made["key"]), made["replaces"]) == (True, new.key_id)


def test_a_key_is_revoked_once_and_for_all(fresh: Project) -> None:
    key_id = create(fresh, "--role", "read", "--json").json["key_id"]
    assert f"The key {key_id} (ci) is revoked.\n" == modelops(fresh, "key", "revoke", key_id).out
    again = modelops(fresh, "key", "revoke", key_id, "--json").json
    assert (again["status"], again["key_id"]) == ("revoked", key_id)
    refused(modelops(fresh, "key", "rotate", key_id), f"The key {key_id} (ci) is revoked. Create a new one")


def test_the_list_shows_what_each_key_is_for_and_how_it_was_used(fresh: Project) -> None:
    first = create(fresh, "--role", "predict", "--endpoint", "cancer", "--json").json["key_id"]
    second = create(fresh, "--role", "admin", "--test", "--expires", "90d", "--json").json["key_id"]
    modelops(fresh, "key", "revoke", second)
    fresh.stores.deployments.record_version(VERSION)
    records = [request_record("cancer", n, START + timedelta(hours=n), 2, key=first) for n in range(3)]
    write_segment(fresh.stores, "cancer", "predictions", "w", records)
    ingest(fresh.stores, fresh.spec, "predictions")
    measure_usage(fresh.stores, fresh.spec)
    head, one, other = (line.split() for line in modelops(fresh, "key", "list").out.splitlines())
    assert ["id", "name", "mode", "roles", "endpoints", "status", "created", "expires", "requests", "last_used"] == head
    assert [first, "ci", "live", "predict", "cancer", "active"] == one[:6]
    assert ["never", "3", "2026-03-02", "00:00"] == one[-4:]
    assert [second, "ci", "test", "admin", "all", "revoked"] == other[:6]
    assert ["0", "-"] == other[-2:]
    listed = modelops(fresh, "key", "list", "--json")
    rows = {row["key_id"]: row for row in listed.json}
    assert (rows[first]["requests"], rows[first]["last_used_at"]) == (3, "2026-03-02T00:00:00Z")
    assert (rows[second]["requests"], rows[second]["last_used_at"]) == (0, None)
    assert "digest" not in listed.out


def test_without_a_key_the_list_says_what_that_means(fresh: Project) -> None:
    done = modelops(fresh, "key", "list")
    assert (done.code, done.out, done.err) == (
        0,
        "",
        "There are no keys: the gateway accepts requests without a key.\n",
    )
    assert modelops(fresh, "key", "list", "--json").json == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "ci"], "Missing option '--role'"),
        (["create", "--role", "read"], "Missing argument 'NAME'"),
        (["create", "ci", "--role", "root"], "'root' is not one of 'predict', 'feedback', 'read', 'operate', 'admin'"),
        (["create", "ci", "--role", "read", "--expires", "soon"], "'soon' is not a duration: give for example 90d"),
        (["create", "ci", "--role", "read", "--expires", "0d"], "'0d' is not a duration"),
        (["rotate", "aaaaaaaaaa", "--overlap", "-1h"], "'-1h' is not a duration"),
        (["rotate"], "Missing argument 'KEY_ID'"),
    ],
)
def test_wrong_usage_is_told(fresh: Project, arguments: list[str], said: str) -> None:
    done = modelops(fresh, "key", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "a\nb", "--role", "read"], "is not a valid key name. Use 1 to 100 letters"),
        (["create", "ci", "--role", "read", "--endpoint", "cancr"], "There is no endpoint 'cancr' (known: cancer)"),
        (["revoke", "aaaaaaaaaa"], "There is no key 'aaaaaaaaaa'. Use a key id from: modelops key list"),
        (["rotate", "aaaaaaaaaa"], "There is no key 'aaaaaaaaaa'"),
    ],
)
def test_what_cannot_be_is_refused_for_good(fresh: Project, arguments: list[str], said: str) -> None:
    refused(modelops(fresh, "key", *arguments), said)
    assert not fresh.stores.keys.list()


def test_no_file_of_the_project_holds_the_key(fresh: Project) -> None:
    text = create(fresh, "--role", "admin").out.strip()
    for folder, _, names in os.walk(fresh.folder):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:  # noqa: PTH118, PTH123 - as os.walk gives them
                assert text.split("_")[3].encode() not in file.read(), name
