"""What a key of a team reaches, and which keys its bearer may make and manage."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.access.api_keys import Grant, Key, grant
from modelops_pipelines.core.access.teams import Owned
from modelops_pipelines.core.errors import ForbiddenError, UnknownError
from modelops_pipelines.gateway.access.key_administration import administers, require_within
from modelops_pipelines.gateway.access.keyring import ANONYMOUS, Caller, Keyring
from modelops_pipelines.store.state.access.api_keys import Keys
from modelops_pipelines.store.state.database import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWNED: Owned = {"risk": frozenset({"credit", "fraud"}), "media": frozenset({"adverts"})}
TEAM = Caller("risk", "aaaaaaaaaa", endpoints=OWNED["risk"], teams=frozenset({"risk"}))
PART = Caller("part", "bbbbbbbbbb", endpoints=frozenset({"credit"}))
TWO = Caller("ann", None, endpoints=OWNED["risk"] | OWNED["media"], teams=frozenset({"risk", "media"}))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(Database(f"sqlite:///{tmp_path / 'state.db'}"))


def text_of(keys: Keys, **scope: object) -> str:
    return keys.create(grant("ci", ["admin"], **scope), now=NOW, actor="ann").text  # type: ignore[arg-type]


# What a key reaches


def test_a_key_of_a_team_reaches_what_the_team_owns_now(keys: Keys) -> None:
    text, keyring = text_of(keys, team="risk"), Keyring()
    keyring.refresh(keys)
    assert frozenset() == keyring.authenticate(text, NOW).endpoints
    keyring.assign(OWNED)
    assert (OWNED["risk"], frozenset({"risk"})) == (
        keyring.authenticate(text, NOW).endpoints,
        keyring.authenticate(text, NOW).teams,
    )
    keyring.assign({"risk": frozenset({"loans"})})
    assert frozenset({"loans"}) == keyring.authenticate(text, NOW).endpoints
    keyring.assign({})
    with pytest.raises(ForbiddenError, match=r"this key's scope is: no endpoint"):
        keyring.authenticate(text, NOW).require("read", "credit")


def test_a_key_of_a_team_and_endpoints_reaches_those_that_the_team_owns(keys: Keys) -> None:
    text, keyring = text_of(keys, team="risk", endpoints=["credit", "adverts", "loans"]), Keyring()
    keyring.assign(OWNED)
    keyring.refresh(keys)
    caller = keyring.authenticate(text, NOW)
    assert (frozenset({"credit"}), None) == (caller.endpoints, caller.teams)
    keyring.assign({"risk": frozenset({"loans"})})
    assert frozenset({"loans"}) == keyring.authenticate(text, NOW).endpoints


def test_other_keys_do_not_depend_on_owners(keys: Keys) -> None:
    whole, some, keyring = text_of(keys), text_of(keys, endpoints=["credit"]), Keyring()
    keyring.refresh(keys)
    before = [keyring.authenticate(text, NOW) for text in (whole, some)]
    keyring.assign(OWNED)
    assert before == [keyring.authenticate(text, NOW) for text in (whole, some)]
    assert [None, {"credit"}] == [one.endpoints for one in before]


def test_owners_cost_the_database_and_a_request_nothing(tmp_path: Path) -> None:
    class Counted(Keys):
        reads = 0

        def snapshot(self):  # type: ignore[no-untyped-def]
            self.reads += 1
            return super().snapshot()

    keys = Counted(Database(f"sqlite:///{tmp_path / 'state.db'}"))
    text, keyring = text_of(keys, team="risk"), Keyring()
    keyring.refresh(keys)
    for number in range(5):
        keyring.assign({"risk": frozenset({f"e{number}"})})
        keyring.refresh(keys)
        callers = [keyring.authenticate(text, NOW) for _ in range(2)]
        assert callers[0] is callers[1]
    assert 1 == keys.reads


def test_a_rotated_key_is_of_the_same_team_and_endpoints(keys: Keys) -> None:
    made = keys.create(grant("ci", ["read"], "test", ["credit"], "risk"), now=NOW, actor="ann")
    new = keys.rotate(made.key.key_id, timedelta(hours=1), now=NOW, actor="bob").key
    stored = {one.key_id: one for one in keys.list()}[new.key_id]
    assert ("risk", ("credit",), "test") == (stored.team, stored.endpoints, stored.mode)


def test_a_key_that_may_not_be_seen_is_told_as_an_unknown_one(keys: Keys) -> None:
    key_id = keys.create(grant("ci", ["read"], team="media"), now=NOW, actor="ann").key.key_id
    said = []
    for asked, may in ((key_id, False), ("cccccccccc", True)):
        with pytest.raises(UnknownError) as raised:
            keys.get(asked, lambda _, may=may: may)  # type: ignore[misc]
        said.append(str(raised.value).replace(asked, "KEY"))
    assert said[0] == said[1]
    assert key_id == keys.get(key_id).key_id


# Which keys may be made and managed


@pytest.mark.parametrize(
    ("caller", "wanted"),
    [
        (ANONYMOUS, Grant("new", ("admin",))),
        (ANONYMOUS, Grant("new", ("admin",), team="media", endpoints=("credit",))),
        (Caller("boss", "cccccccccc"), Grant("new", ("admin",), team="risk")),
        (TEAM, Grant("new", ("admin",), team="risk")),
        (TEAM, Grant("new", ("predict",), team="risk", endpoints=("credit", "fraud"))),
        (TWO, Grant("new", ("read",), team="media", endpoints=("adverts",))),
    ],
)
def test_a_key_within_the_scope_is_made(caller: Caller, wanted: Grant) -> None:
    require_within(caller, wanted)


@pytest.mark.parametrize(
    ("caller", "wanted", "said"),
    [
        (TEAM, Grant("new", ("read",)), "may not make a key for the whole gateway"),
        (TEAM, Grant("new", ("read",), endpoints=("credit",)), "may not make a key for the whole gateway"),
        (TEAM, Grant("new", ("read",), team="media"), "may not make a key of the team 'media'"),
        (TEAM, Grant("new", ("read",), team="Risk"), "may not make a key of the team 'Risk'"),
        (
            TEAM,
            Grant("new", ("read",), team="risk", endpoints=("credit", "adverts")),
            "not scoped to an endpoint 'adverts'",
        ),
        (TWO, Grant("new", ("read",), team="sales"), "The session of ann may not make a key of the team 'sales'"),
        (PART, Grant("new", ("read",), team="risk", endpoints=("credit",)), "may not make a key of the team 'risk'"),
        (PART, Grant("new", ("read",), endpoints=("credit",)), "may not make a key for the whole gateway"),
    ],
)
def test_a_key_beyond_the_scope_is_refused(caller: Caller, wanted: Grant, said: str) -> None:
    with pytest.raises(ForbiddenError) as raised:
        require_within(caller, wanted)
    assert said in str(raised.value)


def test_who_has_only_the_role_read_makes_no_key_for_an_endpoint_of_its_team() -> None:
    reader = Caller("eve", "dddddddddd", "live", frozenset({"read"}), OWNED["risk"], frozenset({"risk"}))
    with pytest.raises(ForbiddenError, match="lacks the required role 'admin'"):
        require_within(reader, Grant("new", ("read",), team="risk", endpoints=("credit",)))


def test_the_keys_of_a_team_are_its_admins_and_those_of_the_whole_gateway() -> None:
    def key(team: str | None) -> Key:
        return Key("eeeeeeeeee", "k", "live", ("read",), None, "0" * 64, NOW, "ann", team=team)

    found = {
        (caller.name, team): administers(caller, key(team))
        for caller in (ANONYMOUS, TEAM, TWO, PART)
        for team in (None, "risk", "media")
    }
    managed = {("anonymous", None), ("anonymous", "risk"), ("anonymous", "media"), ("risk", "risk")}
    assert managed | {("ann", "risk"), ("ann", "media")} == {pair for pair, may in found.items() if may}
