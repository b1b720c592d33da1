"""Stored sessions: found by their cookie until they are over, and by nothing else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.access.sessions import LIFETIME
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(load_settings(tmp_path, {}))


def test_a_session_is_found_by_its_cookie_until_it_is_over(stores: Stores) -> None:
    value, begun = stores.sessions.begin_by_key("abc", "Ann", NOW)
    assert begun == stores.sessions.find(value, NOW)
    assert begun == stores.sessions.find(value, NOW + LIFETIME - timedelta(seconds=1))
    assert stores.sessions.find(value, NOW + LIFETIME) is None


def test_what_a_provider_says_of_a_person_is_kept(stores: Stores) -> None:
    stores.sessions.follow_mapping("m", NOW)
    value, begun = stores.sessions.begin_by_provider("Ann", ("read", "operate"), ("risk",), NOW, mapping="m")
    assert (None, ("read", "operate"), ("risk",)) == (begun.key_id, begun.roles, begun.teams)
    assert begun == stores.sessions.find(value, NOW)


def test_another_mapping_ends_what_the_one_before_began_and_no_session_of_a_key(stores: Stores) -> None:
    key, _ = stores.sessions.begin_by_key("abc", "Ann", NOW)
    stores.sessions.follow_mapping("old", NOW)
    old, begun = stores.sessions.begin_by_provider("Ann", ("admin",), None, NOW, mapping="old")
    stores.sessions.follow_mapping("old", NOW)
    assert begun == stores.sessions.find(old, NOW)
    stores.sessions.follow_mapping("new", NOW)
    new, _ = stores.sessions.begin_by_provider("Ann", ("read",), None, NOW, mapping="new")
    with pytest.raises(ConflictError, match="The sign-in file has changed since this worker"):
        stores.sessions.begin_by_provider("Ann", ("admin",), None, NOW, mapping="old")
    assert [False, True, True] == [stores.sessions.find(value, NOW) is not None for value in (old, new, key)]
    stores.sessions.follow_mapping(None, NOW)
    assert [False, True] == [stores.sessions.find(value, NOW) is not None for value in (new, key)]


def test_an_ended_session_is_found_no_more_and_the_others_are(stores: Stores) -> None:
    ended, kept = (stores.sessions.begin_by_key("abc", "Ann", NOW)[0] for _ in range(2))
    for _ in range(2):
        stores.sessions.end(ended, NOW)
    assert stores.sessions.find(ended, NOW) is None
    assert stores.sessions.find(kept, NOW) is not None


def test_two_sessions_have_nothing_in_common(stores: Stores) -> None:
    first, second = (stores.sessions.begin_by_key("abc", "Ann", NOW)[1] for _ in range(2))
    assert first.digest != second.digest


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60))
def test_no_other_text_is_a_cookie(stores: Stores, text: str) -> None:
    value, _ = stores.sessions.begin_by_key("abc", "Ann", NOW)
    assert text == value or stores.sessions.find(text, NOW) is None
