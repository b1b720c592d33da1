"""A cursor is sent back as it was given, and a text that was never given stands for no place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.cursors import decode_cursor, encode_cursor


@given(st.text())
def test_a_position_comes_back_from_what_a_url_can_hold(position: str) -> None:
    cursor = encode_cursor(position)
    assert position == decode_cursor(cursor)
    assert cursor.replace("-", "").replace("_", "").isalnum() or not position


@pytest.mark.parametrize("cursor", ["a", "ä", "_w"])
def test_a_text_that_stands_for_none_is_a_value_error(cursor: str) -> None:
    with pytest.raises(ValueError):
        decode_cursor(cursor)
