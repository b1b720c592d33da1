"""Parts of pages that viewers share: made once for a key, for a while, and never for another key."""

import pytest

from modelops_pipelines.gateway.pages import shared_parts
from modelops_pipelines.gateway.pages.shared_parts import KEPT_SECONDS, MOST, SharedParts


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the clock's time, to be set by the test."""
    now = [100.0]
    monkeypatch.setattr(shared_parts.time, "monotonic", lambda: now[0])
    return now


def shown(parts: SharedParts, key: object, content: bytes) -> bytes:
    return bytes(parts.show(key, lambda: content).body)  # type: ignore[arg-type] # any key of the tests can be hashed


def test_a_part_is_kept_for_a_while(clock: list[float]) -> None:
    parts = SharedParts()
    assert [b"first", b"first"] == [shown(parts, "a", content) for content in (b"first", b"second")]
    clock[0] += KEPT_SECONDS
    assert b"second" == shown(parts, "a", b"second")


def test_who_sees_other_endpoints_gets_another_part(clock: list[float]) -> None:
    parts = SharedParts()
    assert clock
    keys = [(None, "/ui/"), (frozenset({"a"}), "/ui/"), (frozenset({"b"}), "/ui/"), (None, "/ui/?text=x")]
    assert [b"0", b"1", b"2", b"3"] == [shown(parts, key, str(n).encode()) for n, key in enumerate(keys)]
    assert [b"0", b"1", b"2", b"3"] == [shown(parts, key, b"again") for key in keys]


def test_few_parts_are_kept_and_a_fault_is_not(clock: list[float]) -> None:
    parts = SharedParts()
    for number in range(MOST + 1):
        shown(parts, number, b"old")
    assert (b"new", b"old") == (shown(parts, 0, b"new"), shown(parts, MOST, b"new"))

    def fails() -> bytes:
        raise ValueError

    clock[0] += KEPT_SECONDS
    with pytest.raises(ValueError):
        parts.show("x", fails)
    assert b"good" == shown(parts, "x", b"good")
