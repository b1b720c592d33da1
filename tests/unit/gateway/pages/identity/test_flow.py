"""A sign-in that is under way: only the browser that began it can finish it, and only for ten minutes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.errors import ForbiddenError
from modelops_pipelines.gateway.pages.identity.flow import LONGEST_COOKIE, SECONDS, flow_of, new_flow

SECRET = b"installation"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(st.text(max_size=500).map(lambda text: f"/ui/{text}"))
def test_it_is_found_by_its_cookie_and_state_and_knows_the_page(wanted: str) -> None:
    begun = new_flow(SECRET, wanted, NOW)
    found = flow_of(SECRET, begun.cookie, begun.state, NOW)
    assert (begun, wanted) == (found, found.wanted)
    assert len(begun.cookie) <= LONGEST_COOKIE


def test_each_value_is_another_and_of_this_sign_in_alone() -> None:
    first, second, elsewhere = (new_flow(one, "/ui/", NOW) for one in (SECRET, SECRET, b"another"))
    values = [value for one in (first, second, elsewhere) for value in (one.state, one.nonce, one.verifier)]
    assert len(set(values)) == 9
    assert 43 == len(first.verifier)  # the least that PKCE takes
    assert first.verifier not in (first.challenge, repr(first))


@pytest.mark.parametrize("cookie", ["", "x", "a.b", "a.1.b.c", "..", "a.0."])
def test_what_is_no_cookie_of_ours_fits_no_state(cookie: str) -> None:
    for state in ("", new_flow(SECRET, "/ui/", NOW).state, "é"):
        with pytest.raises(ForbiddenError, match="is not of a sign-in that this browser began"):
            flow_of(SECRET, cookie, state, NOW)


def test_a_cookie_that_was_changed_fits_no_state() -> None:
    begun = new_flow(SECRET, "/ui/", NOW)
    random, at, page = begun.cookie.split(".")
    for changed in (f"{random}.{int(at) + 900}.{page}", f"{random}.{at}.L3VpL2E", f"{random}x.{at}.{page}"):
        with pytest.raises(ForbiddenError):
            flow_of(SECRET, changed, begun.state, NOW)
    with pytest.raises(ForbiddenError):
        flow_of(b"another", begun.cookie, begun.state, NOW)


def test_it_is_over_after_its_time() -> None:
    begun = new_flow(SECRET, "/ui/", NOW)
    assert flow_of(SECRET, begun.cookie, begun.state, NOW + timedelta(seconds=SECONDS))
    with pytest.raises(ForbiddenError, match="took longer than 10 minutes"):
        flow_of(SECRET, begun.cookie, begun.state, NOW + timedelta(seconds=SECONDS + 1))
