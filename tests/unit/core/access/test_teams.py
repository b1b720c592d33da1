"""Names of teams, and which endpoints are whose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.access.api_keys import Grant, grant
from modelops_pipelines.core.access.teams import endpoints_of, owned_endpoints, team_named
from modelops_pipelines.core.endpoints.issues import owner_issues
from modelops_pipelines.core.errors import InputError

OWNERS = {
    "credit": ("team:risk", "ann@example.org"),
    "fraud": ("team: risk ", "team:media"),
    "adverts": ("team:media",),
    "nobodys": ("ann@example.org",),
    "without": (),
}


def test_an_endpoint_is_of_every_team_among_its_owners_and_of_no_person() -> None:
    owned = owned_endpoints(OWNERS.items())
    assert {"risk": {"credit", "fraud"}, "media": {"fraud", "adverts"}} == owned
    assert {"credit", "fraud", "adverts"} == endpoints_of(["risk", "media"], owned)
    assert frozenset() == endpoints_of(["ann@example.org", "Risk", ""], owned)
    assert frozenset() == endpoints_of([], owned)


@pytest.mark.parametrize(
    ("text", "name"), [("risk", "risk"), ("team:risk", "risk"), (" data science ", "data science")]
)
def test_a_team_is_named_with_or_without_its_prefix(text: str, name: str) -> None:
    assert name == team_named(text)
    assert Grant("ci", ("read",), team=name) == grant("ci", ["read"], team=text)


@pytest.mark.parametrize("text", ["", " ", "team:", "team: ", "a\nb", "a\x00b", "x" * 101])
def test_what_names_no_team_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not the name of a team"):
        team_named(text)


@given(st.text(max_size=110))
def test_every_team_that_a_yaml_may_name_and_a_key_may_have_is_the_same_team(text: str) -> None:
    if list(owner_issues("owners[0]", f"team:{text}")):
        return
    owned = owned_endpoints([("credit", [f"team:{text}"])])
    try:
        name = team_named(f"team:{text}")
    except InputError:
        return
    assert {name: {"credit"}} == owned
