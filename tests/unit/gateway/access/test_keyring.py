"""Who is let in: keys through their whole life against a model, and what is said to those who are not."""

import tempfile
import timeit
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from modelops_pipelines.core.access.api_keys import IssuedKey, grant, is_wellformed
from modelops_pipelines.core.errors import (
    BusyError,
    ConflictError,
    ForbiddenError,
    NotReadyError,
    SettingsError,
    UnauthenticatedError,
)
from modelops_pipelines.gateway.access.keyring import ANONYMOUS, Caller, Keyring, require_safe_binding
from modelops_pipelines.store.state.access.api_keys import Keys
from modelops_pipelines.store.state.database import Database
from tests.fakes.forged_keys import STRANGER, forged

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MICROSECONDS = 100.0


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(Database(f"sqlite:///{tmp_path / 'state.db'}"))


def made(keys: Keys, *roles: str, endpoints: list[str] | None = None, ends: timedelta | None = None) -> IssuedKey:
    expires_at = None if ends is None else NOW + ends
    return keys.create(grant("ci", roles or ("read",), "live", endpoints), now=NOW, actor="ann", expires_at=expires_at)


def keyring_of(keys: Keys) -> Keyring:
    keyring = Keyring()
    keyring.refresh(keys)
    return keyring


def refusal(keyring: Keyring, given: str | None, now: datetime = NOW) -> str:
    with pytest.raises(UnauthenticatedError) as raised:
        keyring.authenticate(given, now)
    return str(raised.value)


# A life


@dataclass
class Life:
    """What the model knows of a key."""

    text: str
    name: str
    created: datetime
    expires: datetime | None
    revoked: bool = False
    replaced: bool = False

    def good(self, now: datetime) -> bool:
        return not self.revoked and (self.expires is None or now < self.expires)


class KeyLives(RuleBasedStateMachine):
    """Keys made, rotated, revoked and left to expire, on a real database, as two workers see them."""

    ids = Bundle("ids")

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        url = f"sqlite:///{self.folder.name}/state.db"
        self.keys = Keys(Database(url))
        self.workers = [(Keys(Database(url)), Keyring()), (Keys(Database(url)), Keyring())]
        self.now, self.model, self.changes = NOW, {}, 0
        self.known, self.generation = 0, 0

    @rule(target=ids, hours=st.none() | st.integers(1, 30))
    def create(self, hours: int | None) -> str:
        expires = None if hours is None else self.now + hours * HOUR
        name = f"key {len(self.model)}"
        issued = self.keys.create(grant(name, ["read"]), now=self.now, actor="ann", expires_at=expires)
        return self._made(issued, Life(issued.text, name, self.now, expires))

    @rule(target=ids, key_id=ids, hours=st.integers(0, 30))
    def rotate(self, key_id: str, hours: int) -> str:
        old = self.model[key_id]
        if not old.good(self.now) or old.replaced:
            with pytest.raises(ConflictError):
                self.keys.rotate(key_id, hours * HOUR, now=self.now, actor="ann")
            return key_id
        issued = self.keys.rotate(key_id, hours * HOUR, now=self.now, actor="ann")
        lifetime = None if old.expires is None else old.expires - old.created
        expires = None if lifetime is None else self.now + lifetime
        old.expires = min(self.now + hours * HOUR, old.expires or self.now + hours * HOUR)
        old.replaced = True
        return self._made(issued, Life(issued.text, old.name, self.now, expires))

    @rule(key_id=ids)
    def revoke(self, key_id: str) -> None:
        self.keys.revoke(key_id, self.now)
        self.changes += not self.model[key_id].revoked
        self.model[key_id].revoked = True

    @rule(hours=st.integers(1, 12))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR

    @rule(worker=st.integers(0, 1))
    def forget_everything(self, worker: int) -> None:
        self.workers[worker] = (self.workers[worker][0], Keyring())

    @invariant()
    def each_key_is_as_good_as_the_model_says(self) -> None:
        listed = {key.key_id: key.status(self.now) == "active" for key in self.keys.list()}
        assert {key_id: life.good(self.now) for key_id, life in self.model.items()} == listed
        generation = self.keys.generation()
        assert (self.changes > self.known) == (generation > self.generation)
        self.known, self.generation = self.changes, generation
        for keys, keyring in self.workers:
            keyring.refresh(keys)
            assert keyring.is_open == (not self.model)
            for key_id, life in self.model.items():
                let_in = None
                with suppress(UnauthenticatedError):
                    let_in = keyring.authenticate(life.text, self.now)
                assert (key_id, life.name) == ((let_in.key_id, let_in.name) if let_in else (key_id, life.name))
                assert life.good(self.now) == (let_in is not None)

    def _made(self, issued: IssuedKey, life: Life) -> str:
        self.model[issued.key.key_id] = life
        self.changes += 1
        return issued.key.key_id

    def teardown(self) -> None:
        self.folder.cleanup()


KeyLives.TestCase.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestKeyLives = KeyLives.TestCase


# Letting in


def test_while_no_key_was_ever_made_everyone_may_do_everything(keys: Keys) -> None:
    keyring = keyring_of(keys)
    assert keyring.is_open
    for given in (None, "", "nonsense", STRANGER):
        assert ANONYMOUS == keyring.authenticate(given, NOW)
    assert (
        Caller("anonymous", None, "live", frozenset({"predict", "feedback", "read", "operate", "admin"}), None)
        == ANONYMOUS
    )


def test_one_key_closes_the_gateway_also_when_it_is_revoked(keys: Keys) -> None:
    keyring = keyring_of(keys)
    issued = made(keys)
    keys.revoke(issued.key.key_id, NOW)
    keyring.refresh(keys)
    assert not keyring.is_open
    assert "An API key is required. Send it in the header X-API-Key" in refusal(keyring, None)


def test_nobody_is_let_in_before_the_keys_were_read() -> None:
    keyring = Keyring()
    assert not keyring.is_open
    with pytest.raises(NotReadyError, match="has not read its keys yet"):
        keyring.authenticate(None, NOW)


def test_the_bearer_of_a_key_is_known_by_its_name_and_mode(keys: Keys) -> None:
    issued = keys.create(grant("ci", ["operate"], "test", ["cancer"]), now=NOW, actor="ann")
    expected = Caller("ci", issued.key.key_id, "test", frozenset({"operate", "read"}), frozenset({"cancer"}))
    assert expected == keyring_of(keys).authenticate(issued.text, NOW)


def test_what_is_refused_is_said_without_saying_too_much(keys: Keys) -> None:
    issued, ended, gone = made(keys), made(keys, ends=HOUR), made(keys)
    keys.revoke(gone.key.key_id, NOW)
    keyring = keyring_of(keys)
    later = NOW + HOUR
    malformed = "The API key is malformed. Send the whole key, as it was shown when it was created"
    cases = {
        None: "An API key is required. Send it in the header X-API-Key; create one: modelops key create NAME --role ROLE",
        issued.text[:-1]: malformed,
        issued.text + " ": malformed,
        "ä" * 78: malformed,
        STRANGER: "Unknown API key. Send a key that this gateway issued; see modelops key list",
        ended.text: f"The API key {ended.key.key_id} (ci) is expired since 2026-03-01T13:00:00Z. Ask an administrator of the gateway for a new key",
        gone.text: f"The API key {gone.key.key_id} (ci) is revoked since 2026-03-01T12:00:00Z. Ask an administrator of the gateway for a new key",
    }
    for given, said in cases.items():
        assert said == refusal(keyring, given, later)
        assert given is None or given not in said


def test_a_wrong_secret_is_refused_in_the_words_of_an_unknown_key(keys: Keys) -> None:
    issued = made(keys)
    keyring = keyring_of(keys)
    wrong = forged(issued.key.key_id)
    assert is_wellformed(wrong)
    assert refusal(keyring, STRANGER) == refusal(keyring, wrong)
    assert issued.key.key_id not in refusal(keyring, wrong)


def test_a_key_expires_by_the_clock_without_any_refresh(keys: Keys) -> None:
    issued = made(keys, ends=HOUR)
    keyring = keyring_of(keys)
    assert keyring.authenticate(issued.text, NOW + HOUR - timedelta(microseconds=1)).name == "ci"
    assert "is expired" in refusal(keyring, issued.text, NOW + HOUR)


def test_nothing_secret_is_in_what_python_shows_of_callers_and_keyrings(keys: Keys) -> None:
    issued = made(keys, endpoints=["cancer"])
    keyring = keyring_of(keys)
    caller = keyring.authenticate(issued.text, NOW)
    for shown in (repr(caller), repr(keyring.__dict__), str(keyring.__dict__)):
        assert issued.text[19:71] not in shown
        assert issued.key.digest not in shown


# Refreshing


class CountedKeys(Keys):
    """Keys that count how often they were read as a whole, and fail when told to."""

    reads = 0
    away = False

    def generation(self) -> int:
        if self.away:
            raise BusyError("The state database is away", "Wait")
        return super().generation()

    def snapshot(self):
        self.reads += 1
        return super().snapshot()


def test_keys_are_read_again_only_when_they_changed(tmp_path: Path) -> None:
    keys = CountedKeys(Database(f"sqlite:///{tmp_path / 'state.db'}"))
    keyring = Keyring()
    for _ in range(3):
        keyring.refresh(keys)
    assert keys.reads == 1
    issued = made(keys)
    for _ in range(3):
        keyring.refresh(keys)
    assert keys.reads == 2
    assert keyring.authenticate(issued.text, NOW).key_id == issued.key.key_id


def test_the_last_keys_stay_while_the_database_is_away(tmp_path: Path) -> None:
    keys = CountedKeys(Database(f"sqlite:///{tmp_path / 'state.db'}"))
    issued = made(keys)
    keyring = keyring_of(keys)
    keys.away = True
    with pytest.raises(BusyError):
        keyring.refresh(keys)
    assert keyring.authenticate(issued.text, NOW).name == "ci"
    assert "Unknown API key" in refusal(keyring, STRANGER)


# What a caller may do


@pytest.mark.parametrize(
    ("role", "endpoint", "said"),
    [
        ("read", "cancer", None),
        ("predict", "cancer", None),
        (
            "operate",
            "cancer",
            "lacks the required role 'operate'. Use a key with this role; this key allows: predict, read",
        ),
        ("admin", None, "lacks the required role 'admin'"),
        ("read", "flights", "is not scoped to an endpoint 'flights'. Use another key; this key's scope is: cancer"),
        ("read", None, "is not scoped to routes of the whole gateway. Use another key; this key's scope is: cancer"),
    ],
)
def test_a_caller_may_do_what_the_key_is_for(role: str, endpoint: str | None, said: str | None) -> None:
    caller = Caller("ci", "abcdefghij", "live", frozenset({"predict", "read"}), frozenset({"cancer"}))
    if said is None:
        caller.require(role, endpoint)
        return
    with pytest.raises(ForbiddenError) as raised:
        caller.require(role, endpoint)
    assert f"The key abcdefghij (ci) {said}" in str(raised.value)


def test_a_caller_sees_only_the_endpoints_that_the_key_is_for() -> None:
    scoped = Caller("ci", "abcdefghij", endpoints=frozenset({"cancer"}))
    assert (True, False, True) == (scoped.sees("cancer"), scoped.sees("flights"), ANONYMOUS.sees("flights"))


# Where to listen


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_an_open_gateway_may_listen_on_loopback(host: str) -> None:
    require_safe_binding(host, has_keys=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.7", "example.org", "localhost.example.org"])
def test_an_open_gateway_may_not_listen_elsewhere(host: str) -> None:
    require_safe_binding(host, has_keys=True)
    with pytest.raises(SettingsError, match="modelops key create NAME --role admin"):
        require_safe_binding(host, has_keys=False)


def test_authenticating_takes_microseconds(keys: Keys) -> None:
    issued = [made(keys) for _ in range(50)][-1]
    keyring = keyring_of(keys)
    took = min(timeit.repeat(lambda: keyring.authenticate(issued.text, NOW), number=200, repeat=5)) / 200
    assert took * 1e6 < MICROSECONDS
