"""Cursors are places in the list that a caller sends back; anything else is refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.improve.feedback.search import Place, check_limit, place_of

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2261, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - with zones
IDS = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(moment=MOMENTS, feedback_id=IDS)
def test_a_cursor_leads_back_to_its_place(moment: datetime, feedback_id: str) -> None:
    place = Place(moment, feedback_id)
    assert place == place_of(place.cursor)
    assert place.cursor.isascii()


@given(text=st.text(max_size=120))
def test_a_text_that_is_no_cursor_is_refused_and_never_breaks(text: str) -> None:
    with pytest.raises(InputError, match="is not a cursor"):
        place_of(text)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_that_no_page_has_is_refused(limit: int) -> None:
    with pytest.raises(InputError, match=f"The limit {limit} is not from 1 to 1000"):
        check_limit(limit)
