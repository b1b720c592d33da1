"""Who a person is that is signed in: what their key permits, or their roles on the endpoints of their teams."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.core.access.sessions import Session
from modelops_pipelines.core.errors import ForbiddenError, NotReadyError, UnauthenticatedError
from modelops_pipelines.gateway.access.keyring import Caller, Keyring
from modelops_pipelines.store.state.access.api_keys import Keys
from modelops_pipelines.store.state.access.sessions import Sessions
from modelops_pipelines.store.state.database import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OWNED = {"risk": frozenset({"credit", "fraud"}), "media": frozenset({"adverts"})}


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'state.db'}")


def keyring_of(database: Database) -> Keyring:
    keyring = Keyring()
    keyring.assign(OWNED)
    keyring.refresh(Keys(database))
    return keyring


def by_provider(database: Database, roles: tuple, teams: tuple[str, ...] | None) -> Session:
    sessions = Sessions(database)
    sessions.follow_mapping("m", NOW)
    return sessions.begin_by_provider("Ann Lee", roles, teams, NOW, mapping="m")[1]


def test_a_session_by_a_key_has_what_the_key_permits_and_the_person_s_name(database: Database) -> None:
    issued = Keys(database).create(grant("ops", ["operate"], "test", ["fraud"]), now=NOW, actor="boss")
    session = Sessions(database).begin_by_key(issued.key.key_id, "Ann Lee", NOW)[1]
    caller = keyring_of(database).caller_of_session(session, NOW)
    expected = Caller("Ann Lee", issued.key.key_id, "test", frozenset({"operate", "read"}), frozenset({"fraud"}))
    assert expected == caller


def test_a_session_by_a_key_ends_with_the_key(database: Database) -> None:
    keys = Keys(database)
    expiring = keys.create(grant("ops", ["read"]), now=NOW, actor="boss", expires_at=NOW + HOUR)
    revoked = keys.create(grant("ops", ["read"]), now=NOW, actor="boss")
    sessions = [Sessions(database).begin_by_key(one.key.key_id, "Ann", NOW)[1] for one in (expiring, revoked)]
    keyring = keyring_of(database)
    assert ["Ann", "Ann"] == [keyring.caller_of_session(one, NOW).name for one in sessions]
    with pytest.raises(UnauthenticatedError, match="is expired"):
        keyring.caller_of_session(sessions[0], NOW + HOUR)
    keys.revoke(revoked.key.key_id, NOW)
    keyring.refresh(keys)
    with pytest.raises(UnauthenticatedError, match="is revoked"):
        keyring.caller_of_session(sessions[1], NOW)
    with pytest.raises(UnauthenticatedError, match="The key of the session of Ann is not known"):
        keyring.caller_of_session(replace(sessions[1], key_id="aaaaaaaaaa"), NOW)


def test_a_session_by_a_provider_has_its_roles_on_the_endpoints_of_its_teams(database: Database) -> None:
    keyring = keyring_of(database)
    caller = keyring.caller_of_session(by_provider(database, ("operate", "predict"), ("risk", "media")), NOW)
    permitted, endpoints = (
        frozenset({"operate", "read", "predict", "feedback"}),
        frozenset({"credit", "fraud", "adverts"}),
    )
    assert Caller("Ann Lee", None, "live", permitted, endpoints, frozenset({"risk", "media"})) == caller
    everywhere = keyring.caller_of_session(by_provider(database, ("admin",), None), NOW)
    assert (None, None) == (everywhere.endpoints, everywhere.teams)
    everywhere.require("admin", None)
    nowhere = keyring.caller_of_session(by_provider(database, ("read",), ()), NOW)
    assert (frozenset(), frozenset()) == (nowhere.endpoints, nowhere.teams)
    with pytest.raises(ForbiddenError, match="The session of Ann Lee is not scoped to an endpoint 'fraud'"):
        nowhere.require("read", "fraud")


def test_an_endpoint_that_comes_to_a_team_or_leaves_it_is_known_at_the_next_request(database: Database) -> None:
    keyring, session = keyring_of(database), by_provider(database, ("read",), ("media",))
    keyring.assign({"media": frozenset({"fraud"})})
    assert frozenset({"fraud"}) == keyring.caller_of_session(session, NOW).endpoints


def test_a_session_that_is_over_is_nobody_s(database: Database) -> None:
    keyring, session = keyring_of(database), by_provider(database, ("read",), None)
    for over, now in ((session, session.expires_at), (replace(session, ended_at=NOW), NOW)):
        with pytest.raises(UnauthenticatedError, match="The session of Ann Lee is over"):
            keyring.caller_of_session(over, now)
    with pytest.raises(NotReadyError):
        Keyring().caller_of_session(session, NOW)


def test_a_gateway_that_people_sign_in_to_is_not_open_without_a_key(database: Database) -> None:
    keyring = Keyring(never_open=True)
    keyring.refresh(Keys(database))
    assert not keyring.is_open
    with pytest.raises(UnauthenticatedError, match="An API key is required"):
        keyring.authenticate(None, NOW)
    caller = keyring.caller_of_session(by_provider(database, ("read",), None), NOW)
    with pytest.raises(ForbiddenError, match="Ask for it; your groups allow: read"):
        caller.require("operate", None)
