"""Keys as they are kept: what each change does, that it is one change, and that the generation tells of it."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.access.api_keys import IssuedKey, digest_of, grant
from modelops_pipelines.core.errors import ConflictError, InputError, UnknownError
from modelops_pipelines.store.state.access import api_keys as keys_module
from modelops_pipelines.store.state.access.api_keys import Keys
from modelops_pipelines.store.state.database import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CI = grant("ci", ["read", "predict"], "test", ["cancer", "flights"])


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(Database(f"sqlite:///{tmp_path / 'state.db'}"))


def created(keys: Keys, expires_at: datetime | None = None) -> IssuedKey:
    return keys.create(CI, now=NOW, actor="ann", expires_at=expires_at)


def test_a_key_is_kept_without_its_text(keys: Keys, tmp_path: Path) -> None:
    issued = created(keys, NOW + HOUR)
    assert issued.key == keys.get(issued.key.key_id)
    assert [issued.key] == list(keys.list())
    assert digest_of(issued.text) == issued.key.digest
    assert issued.text.startswith(f"sk_test_{issued.key.key_id}_")
    kept = issued.key
    assert ("ci", "test", ("predict", "read"), ("cancer", "flights")) == (
        kept.name,
        kept.mode,
        kept.roles,
        kept.endpoints,
    )
    assert (NOW, "ann", NOW + HOUR, None, None) == (
        kept.created_at,
        kept.created_by,
        kept.expires_at,
        kept.revoked_at,
        kept.replaces,
    )
    with sqlite3.connect(tmp_path / "state.db") as connected:
        dumped = "\n".join(connected.iterdump())
    assert issued.key.digest in dumped
    assert issued.text not in dumped
    assert issued.text.split("_")[3][:52] not in dumped


def test_a_key_for_all_endpoints_stays_one(keys: Keys) -> None:
    issued = keys.create(grant("boss", ["admin"]), now=NOW, actor="ann")
    assert keys.get(issued.key.key_id).endpoints is None


def test_a_key_that_would_have_expired_already_is_not_made(keys: Keys) -> None:
    with pytest.raises(InputError, match="is in the past"):
        created(keys, NOW)
    assert (0, []) == (keys.generation(), list(keys.list()))


@pytest.mark.parametrize(
    ("old_ends", "overlap", "ends", "new_ends"),
    [
        (None, 24 * HOUR, 24 * HOUR, None),
        (90 * 24 * HOUR, 24 * HOUR, 24 * HOUR, 90 * 24 * HOUR),
        (2 * HOUR, 24 * HOUR, 2 * HOUR, 2 * HOUR),
        (2 * HOUR, timedelta(0), timedelta(0), 2 * HOUR),
    ],
)
def test_a_rotated_key_ends_after_the_overlap_and_the_new_one_is_for_the_same(
    keys: Keys, old_ends: timedelta | None, overlap: timedelta, ends: timedelta, new_ends: timedelta | None
) -> None:
    old = created(keys, None if old_ends is None else NOW + old_ends)
    new = keys.rotate(old.key.key_id, overlap, now=NOW, actor="bob")
    assert NOW + ends == keys.get(old.key.key_id).expires_at
    kept = keys.get(new.key.key_id)
    assert new.key == kept
    assert (old.key.name, old.key.mode, old.key.roles, old.key.endpoints) == (
        kept.name,
        kept.mode,
        kept.roles,
        kept.endpoints,
    )
    assert (None if new_ends is None else NOW + new_ends) == kept.expires_at
    assert (old.key.key_id, "bob") == (kept.replaces, kept.created_by)
    assert new.text != old.text


def test_a_new_key_lives_as_long_as_the_old_one_was_given_to_live(keys: Keys) -> None:
    old = created(keys, NOW + 10 * HOUR)
    new = keys.rotate(old.key.key_id, HOUR, now=NOW + 9 * HOUR, actor="bob")
    assert NOW + 19 * HOUR == new.key.expires_at
    assert NOW + 10 * HOUR == keys.get(old.key.key_id).expires_at


def test_what_is_revoked_expired_or_replaced_cannot_be_rotated(keys: Keys) -> None:
    revoked, expired, replaced = created(keys), created(keys, NOW + HOUR), created(keys)
    keys.revoke(revoked.key.key_id, NOW)
    newer = keys.rotate(replaced.key.key_id, HOUR, now=NOW, actor="bob")
    before = (keys.generation(), list(keys.list()))
    for key_id, later, said in (
        (revoked.key.key_id, NOW, "is revoked. Create a new one"),
        (expired.key.key_id, NOW + HOUR, "is expired. Create a new one"),
        (replaced.key.key_id, NOW, f"was replaced by {newer.key.key_id} already. Rotate {newer.key.key_id}"),
    ):
        with pytest.raises(ConflictError) as raised:
            keys.rotate(key_id, HOUR, now=later, actor="bob")
        assert said in str(raised.value)
    with pytest.raises(InputError, match="is negative"):
        keys.rotate(newer.key.key_id, -HOUR, now=NOW, actor="bob")
    assert before == (keys.generation(), list(keys.list()))


def test_revoking_again_changes_nothing(keys: Keys) -> None:
    key_id = created(keys).key.key_id
    first = keys.revoke(key_id, NOW + HOUR)
    generation = keys.generation()
    assert first == keys.revoke(key_id, NOW + 2 * HOUR) == keys.get(key_id)
    assert (NOW + HOUR, generation) == (first.revoked_at, keys.generation())


@pytest.mark.parametrize(
    "act",
    [
        lambda keys: keys.get("nobody"),
        lambda keys: keys.revoke("nobody", NOW),
        lambda keys: keys.rotate("nobody", HOUR, now=NOW, actor="bob"),
    ],
)
def test_a_key_that_there_is_not_is_refused(keys: Keys, act: Callable[[Keys], object]) -> None:
    created(keys)
    before = keys.generation()
    with pytest.raises(UnknownError, match=r"There is no key 'nobody'\. Use a key id from: modelops key list"):
        act(keys)
    assert keys.generation() == before


def test_the_generation_grows_with_each_change_for_whoever_looks(keys: Keys, tmp_path: Path) -> None:
    other = Keys(Database(f"sqlite:///{tmp_path / 'state.db'}"))
    seen = [other.generation()]
    key_id = created(keys).key.key_id
    seen.append(other.generation())
    newer = keys.rotate(key_id, HOUR, now=NOW, actor="bob")
    seen.append(other.generation())
    keys.revoke(newer.key.key_id, NOW)
    seen.append(other.generation())
    assert seen == sorted(set(seen))
    assert (seen[-1], keys.list()) == other.snapshot()


def test_a_generation_is_none_of_a_state_that_a_backup_replaced(keys: Keys, tmp_path: Path) -> None:
    created(keys)
    before = keys.generation()
    (tmp_path / "other").mkdir()
    restored = Keys(Database(f"sqlite:///{tmp_path / 'other' / 'state.db'}"))
    created(restored)
    assert before < restored.generation()


def test_a_change_that_fails_half_way_is_no_change(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    key_id = created(keys).key.key_id
    before = keys.snapshot()

    def broken(_: object) -> None:
        raise sqlite3.DatabaseError("the disk is full")

    monkeypatch.setattr(keys_module, "_increment_generation", broken)
    for act in (
        lambda: created(keys),
        lambda: keys.rotate(key_id, HOUR, now=NOW, actor="bob"),
        lambda: keys.revoke(key_id, NOW),
    ):
        with pytest.raises(sqlite3.DatabaseError):
            act()
    assert before == keys.snapshot()


def test_of_two_who_rotate_a_key_at_once_one_does(keys: Keys) -> None:
    key_id = created(keys).key.key_id

    def rotate(_: int) -> bool:
        try:
            keys.rotate(key_id, HOUR, now=NOW, actor="bob")
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(rotate, range(8))) == 1
    assert len(keys.list()) == 2
