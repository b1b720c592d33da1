"""How keys are written, what their roles permit, and when they are good."""

import base64
import string
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.access.api_keys import (
    ENTROPY_BYTES,
    PERMITTED,
    ROLES,
    Grant,
    IssuedKey,
    Key,
    digest_of,
    grant,
    id_of,
    is_wellformed,
    key_text,
)
from modelops_pipelines.core.errors import InputError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENTROPY = bytes(range(ENTROPY_BYTES))
WRITTEN = "sk_live_aaaqeayeau_a4eascqlbqgq4dyqcejbgfavcylrqgi2dmob2hq7eaqseizeeutabfujpqy"
KEY = Key("aaaqeayeau", "ci", "live", ("predict",), None, digest_of(WRITTEN), NOW, "ann")
ENTROPIES = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)
MODES = st.sampled_from(["live", "test"])
ALPHABET = string.ascii_letters + string.digits + "_-= \n\0ä"


def test_a_key_is_written_as_documented() -> None:
    text = key_text("live", ENTROPY)
    assert WRITTEN == text
    prefix, mode, key_id, rest = text.split("_")
    assert (prefix, mode, len(key_id), len(rest)) == ("sk", "live", 10, 52 + 7)
    secret = base64.b32decode(rest[:52].upper() + "====")
    assert ENTROPY[7:] == secret


@given(entropy=ENTROPIES, mode=MODES)
def test_a_scanner_can_tell_a_key_by_its_checksum_alone(entropy: bytes, mode: str) -> None:
    text = key_text(mode, entropy)
    check = base64.b32decode(text[-7:].upper() + "=")
    assert zlib.crc32(text[:-7].encode()) == int.from_bytes(check, "big")
    assert is_wellformed(text)
    assert text.split("_")[2] == id_of(text)


@given(entropy=ENTROPIES, mode=MODES, place=st.integers(0, 77), letter=st.sampled_from(ALPHABET))
def test_a_key_with_any_one_character_changed_is_no_key(entropy: bytes, mode: str, place: int, letter: str) -> None:
    text = key_text(mode, entropy)
    changed = text[:place] + letter + text[place + 1 :]
    assert (changed == text) == is_wellformed(changed)
    assert (changed == text) == (digest_of(text) == digest_of(changed))


@given(
    entropy=ENTROPIES,
    edits=st.lists(st.tuples(st.integers(0, 80), st.integers(0, 3), st.text(ALPHABET, max_size=4)), max_size=4),
)
def test_a_key_changed_in_any_way_is_refused_by_checksum_or_digest(
    entropy: bytes, edits: list[tuple[int, int, str]]
) -> None:
    text = changed = key_text("live", entropy)
    for place, cut, put in edits:
        changed = changed[:place] + put + changed[place + cut :]
    assert changed == text or not is_wellformed(changed) or digest_of(changed) != digest_of(text)


@given(one=ENTROPIES, other=ENTROPIES)
def test_other_secrets_make_other_keys(one: bytes, other: bytes) -> None:
    same = one[7:] == other[7:]
    assert same == (key_text("live", one)[19:71] == key_text("live", other)[19:71])


@pytest.mark.parametrize(
    "text",
    ["", "sk_live_", WRITTEN.upper(), WRITTEN + "\n", " " + WRITTEN, WRITTEN[:-1], WRITTEN.replace("live", "test")],
)
def test_what_is_not_quite_a_key_is_none(text: str) -> None:
    assert not is_wellformed(text)
    assert id_of(text) is None


def test_neither_text_nor_digest_is_in_what_python_shows_of_a_key() -> None:
    issued = IssuedKey(KEY, WRITTEN)
    for shown in (repr(issued), str(issued), repr(KEY), str(KEY.describe(NOW)), f"{issued!r:>500}"):
        assert WRITTEN not in shown
        assert WRITTEN[-59:-7] not in shown
        assert KEY.digest not in shown


@pytest.mark.parametrize(
    ("role", "permitted"),
    [
        ("predict", {"predict", "feedback"}),
        ("feedback", {"feedback"}),
        ("read", {"read"}),
        ("operate", {"operate", "read"}),
        ("admin", {"predict", "feedback", "read", "operate", "admin"}),
    ],
)
def test_a_role_permits_what_is_documented(role: str, permitted: set[str]) -> None:
    assert permitted == set(PERMITTED[role])
    assert permitted == set(replace(KEY, roles=(role,)).permitted)


def test_roles_permit_together_what_each_permits() -> None:
    assert replace(KEY, roles=("predict", "operate")).permitted == {"predict", "feedback", "operate", "read"}
    assert set(PERMITTED) == set(ROLES)


@pytest.mark.parametrize(
    ("expires", "revoked", "status"),
    [
        (None, None, "active"),
        (1, None, "active"),
        (0, None, "expired"),
        (-1, None, "expired"),
        (None, -1, "revoked"),
        (-2, -1, "revoked"),
    ],
)
def test_a_key_ends_at_the_very_moment_it_was_given(expires: int | None, revoked: int | None, status: str) -> None:
    ends, ended = (None if n is None else NOW + timedelta(microseconds=n) for n in (expires, revoked))
    assert status == replace(KEY, expires_at=ends, revoked_at=ended).status(NOW)


def test_a_grant_has_each_role_and_endpoint_once_and_in_order() -> None:
    expected = Grant("ci", ("predict", "admin"), "test", ("a", "b"))
    assert expected == grant("ci", ["admin", "predict", "admin"], "test", ["b", "a", "b"])
    assert Grant("ci", ("read",)) == grant("ci", ["read"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": ""}, "'' is not a valid key name. Use 1 to 100 letters"),
        ({"name": "a\nb"}, r"'a\nb' is not a valid key name"),
        ({"name": " a"}, "' a' is not a valid key name"),
        ({"name": "a" * 101}, "is not a valid key name"),
        ({"roles": []}, "The key 'ci' has no role. Use one or more of: predict, feedback, read, operate, admin"),
        ({"roles": ["root"]}, "There is no role 'root'"),
        ({"mode": "prod"}, "There is no mode 'prod'. Use one of: live, test"),
        ({"endpoints": []}, "has an empty list of endpoints"),
    ],
)
def test_a_grant_that_cannot_be_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as raised:
        grant(**{"name": "ci", "roles": ["read"], **given})
    assert said in str(raised.value)
