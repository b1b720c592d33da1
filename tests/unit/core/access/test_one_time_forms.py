"""Ids of forms: whose they are, how long they are good, and that none can be made up."""

from datetime import UTC, datetime, timedelta

import pytest

from modelops_pipelines.core.access.one_time_forms import GOOD_FOR, form_id, is_form_id

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET, RANDOM = b"secret", "abcdefghijklmnop"
GIVEN = form_id(SECRET, "ann", RANDOM, NOW)


def test_an_id_is_good_for_a_day() -> None:
    assert is_form_id(SECRET, "ann", GIVEN, NOW)
    assert is_form_id(SECRET, "ann", GIVEN, NOW + GOOD_FOR)
    assert not is_form_id(SECRET, "ann", GIVEN, NOW + GOOD_FOR + timedelta(milliseconds=1))


def test_an_id_is_its_bearer_s_and_this_installation_s() -> None:
    assert not is_form_id(SECRET, "bob", GIVEN, NOW)
    assert not is_form_id(b"another", "ann", GIVEN, NOW)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        GIVEN + "0",
        GIVEN.replace("a", "b", 1),
        GIVEN.replace(".1", ".2", 1),
        GIVEN.upper(),
        f"{RANDOM}.{'9' * 13}.{GIVEN[-64:]}",
        "٣" + GIVEN[1:],
    ],
)
def test_an_id_that_was_changed_is_none(given: str) -> None:
    assert not is_form_id(SECRET, "ann", given, NOW)
