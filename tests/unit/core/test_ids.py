"""A prediction id proves itself; nothing that was never issued passes, however it is written."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.ids import (
    CHARACTERS,
    ENTROPY_BYTES,
    HASH_CHARACTERS,
    MAX_ROWS,
    SEPARATOR,
    content_id,
    content_ids,
    new_request_id,
    new_request_ids,
    parse_prediction_id,
    rows_in,
)
from modelops_pipelines.core.timestamps import to_micros

SECRET = b"s" * 32
NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
ID = new_request_id("flights", NOW, 3, b"\x42" * ENTROPY_BYTES, SECRET)
MOMENTS = st.integers(-(10**15), 10**16).map(
    lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)


@given(MOMENTS, st.integers(1, MAX_ROWS), st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES), st.data())
@settings(deadline=None)
def test_an_id_gives_back_its_time_and_its_row(
    moment: datetime, rows: int, entropy: bytes, data: st.DataObject
) -> None:
    made = new_request_id("flights", moment, rows, entropy, SECRET)
    row = data.draw(st.integers(0, rows - 1))
    assert (made, row) == parse_prediction_id(made.prediction_id(row), "flights", SECRET)
    assert rows == rows_in(made.text)


REQUESTS = st.tuples(MOMENTS, st.integers(0, MAX_ROWS), st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES))


@given(st.lists(REQUESTS, max_size=6), st.text(max_size=5), st.binary(min_size=1, max_size=130))
def test_many_ids_at_once_are_those_that_are_made_one_by_one(
    requests: list[tuple[datetime, int, bytes]], endpoint: str, secret: bytes
) -> None:
    moments, rows, entropies = ([one[place] for one in requests] for place in range(3))
    texts = new_request_ids(endpoint, map(to_micros, moments), rows, entropies, secret).decode()
    alone = [new_request_id(endpoint, *one, secret).text for one in requests]
    assert alone == [texts[start : start + CHARACTERS] for start in range(0, len(texts), CHARACTERS)]


@given(st.integers(0, 39), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
@settings(deadline=None)
def test_any_changed_letter_is_noticed(position: int, letter: str) -> None:
    changed = ID.text[:position] + letter + ID.text[position + 1 :]
    if changed != ID.text:
        with pytest.raises(UnknownError):
            parse_prediction_id(f"{changed}-0", "flights", SECRET)


@given(st.text())
@settings(deadline=None)
def test_any_text_at_all_is_refused_as_unknown(text: str) -> None:
    with pytest.raises(UnknownError):
        parse_prediction_id(text, "flights", SECRET)
    assert rows_in(text) is None


@given(st.text(max_size=8))
@settings(deadline=None)
def test_only_rows_that_the_request_had_are_known(row: str) -> None:
    if row not in {"0", "1", "2"}:
        with pytest.raises(UnknownError):
            parse_prediction_id(f"{ID.text}-{row}", "flights", SECRET)


@pytest.mark.parametrize("row", ["3", "-1", "00", "+1", " 1", "1 ", "1\n", "٣", "²", "", "1-1", "9" * 5000])
def test_a_row_in_any_other_writing_is_unknown(row: str) -> None:
    with pytest.raises(UnknownError):
        parse_prediction_id(f"{ID.text}-{row}", "flights", SECRET)


def test_each_prediction_has_one_spelling_only() -> None:
    spellings = [
        ID.text.upper(),
        ID.text.replace("i", "\u0131"),
        ID.text.replace("s", "\u017f"),
        f" {ID.text}",
        f"{ID.text}======",
    ]
    for spelling in spellings:
        if spelling != ID.text:
            with pytest.raises(UnknownError):
                parse_prediction_id(f"{spelling}-0", "flights", SECRET)


def test_letters_that_become_ascii_in_upper_case_are_unknown() -> None:
    ids = [new_request_id("flights", NOW, 1, n.to_bytes(ENTROPY_BYTES, "big"), SECRET).text for n in range(50)]
    aliases = [text.replace("i", "\u0131", 1) for text in ids if "i" in text]
    assert aliases
    for alias in aliases:
        with pytest.raises(UnknownError):
            parse_prediction_id(f"{alias}-0", "flights", SECRET)


def test_another_endpoint_or_another_installation_does_not_know_it() -> None:
    for endpoint, secret in (("trains", SECRET), ("flights", b"t" * 32)):
        with pytest.raises(UnknownError, match="never made the prediction"):
            parse_prediction_id(ID.prediction_id(0), endpoint, secret)


def test_ids_of_one_moment_differ_by_their_entropy_and_sort_by_time() -> None:
    same = {new_request_id("flights", NOW, 1, bytes([n] * ENTROPY_BYTES), SECRET).text for n in range(100)}
    assert len(same) == 100
    times = [new_request_id("e", NOW + timedelta(days=n), 1, bytes(ENTROPY_BYTES), SECRET).text for n in range(50)]
    assert len({len(text) for text in times}) == 1


def test_content_ids_tell_none_from_the_word_and_one_part_from_two() -> None:
    ids = [
        content_id(None),
        content_id("None"),
        content_id("a", "b"),
        content_id("ab"),
        content_id("a", None, "b"),
        content_id(""),
    ]
    assert len(set(ids)) == len(ids)
    assert content_id("a", None, "b") == "d921a532282d5a7310bd01db63220209"  # as stored by earlier releases
    assert content_id("x", 1) == content_id("x", "1")
    assert all(len(one) == 32 for one in ids)


PARTS = st.none() | st.text(alphabet="a\x1f\x00:-1", max_size=3)


@given(st.lists(PARTS, min_size=1, max_size=4), st.lists(PARTS, min_size=1, max_size=4))
def test_only_equal_parts_have_equal_content_ids(one: list[str | None], other: list[str | None]) -> None:
    assert (one == other) == (content_id(*one) == content_id(*other))


def test_parts_that_join_to_the_same_text_have_ids_of_their_own() -> None:
    ids = [content_id("a\x1fb", "c"), content_id("a", "b\x1fc"), content_id("a\x1fb\x1fc"), content_id("a", "b", "c")]
    ids += [content_id("\x00"), content_id(None), content_id("\x00", "a"), content_id(None, "a")]
    assert len(set(ids)) == len(ids)


@given(st.lists(st.lists(st.text("aé1", max_size=3), min_size=2, max_size=2), max_size=5))
def test_many_content_ids_at_once_are_those_that_are_made_one_by_one(contents: list[list[str]]) -> None:
    texts = content_ids(SEPARATOR.join(parts).encode() for parts in contents).decode()
    alone = [content_id(*parts) for parts in contents]
    assert alone == [texts[start : start + HASH_CHARACTERS] for start in range(0, len(texts), HASH_CHARACTERS)]


def test_content_ids_take_text_that_is_no_unicode() -> None:
    assert content_id("a\udce9") != content_id("a\udcea")
    assert content_id("a\udce9", "\x1f") != content_id("a\udcea", "\x1f")
