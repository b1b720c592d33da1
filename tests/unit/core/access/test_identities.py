"""What a person may do by the groups that a provider names, and how the history calls them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.access.api_keys import ROLES, grant, permissions_of
from modelops_pipelines.core.access.identities import GroupGrant, Person, Provider, claim, is_secure, person_of
from modelops_pipelines.core.errors import ForbiddenError, InputError

ADMIN, READ = GroupGrant(("admin",)), GroupGrant(("read",))
RISK, MEDIA = GroupGrant(("operate",), ("risk",)), GroupGrant(("operate",), ("media",))
PROVIDER = Provider("Example SSO", "https://id.example", "modelops", "env:OIDC_SECRET")
TEAMS = replace(PROVIDER, groups=(("risk", RISK), ("media", MEDIA), ("readers", READ)))


def claims(**changed: Any) -> dict[str, Any]:
    return {"sub": "1", "email": "ann@example.org", "groups": ["readers"], **changed}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([], None),
        (["strangers"], None),
        (["readers"], READ),
        (["media"], MEDIA),
        (["media", "risk"], GroupGrant(("operate",), ("risk", "media"))),
        (["readers", "risk"], RISK),
    ],
)
def test_the_first_group_decides_and_others_alike_add_their_teams(
    groups: list[str], expected: GroupGrant | None
) -> None:
    assert expected == TEAMS.grant_of(groups)


def test_a_group_of_all_endpoints_that_gives_as_much_gives_all() -> None:
    provider = replace(TEAMS, groups=(*TEAMS.groups, ("admins", ADMIN)))
    assert GroupGrant(("operate",)) == provider.grant_of(["risk", "admins"])


def test_everyone_is_for_whom_no_group_names() -> None:
    provider = replace(TEAMS, everyone=READ)
    assert READ == provider.grant_of(["strangers"])
    assert RISK == provider.grant_of(["risk"])


grants = st.builds(
    GroupGrant,
    st.lists(st.sampled_from(ROLES), min_size=1, max_size=2, unique=True).map(tuple),
    st.none() | st.lists(st.sampled_from("abc"), min_size=1, unique=True).map(tuple),
)


@given(st.lists(st.tuples(st.sampled_from("xyz"), grants), max_size=4), st.sets(st.sampled_from("xyz")))
def test_nobody_has_more_on_a_team_than_one_of_their_groups_gives(
    groups: list[tuple[str, GroupGrant]], member: set[str]
) -> None:
    found = replace(PROVIDER, groups=tuple(groups)).grant_of(member)
    mine = [given for name, given in groups if name in member]
    assert (found is None) == (not mine)
    for team in [] if found is None else found.teams or [None]:
        assert any(
            permissions_of(one.roles) >= permissions_of(found.roles) and (one.teams is None or team in one.teams)
            for one in mine
        )


def test_the_name_is_none_that_a_key_can_have() -> None:
    person = person_of(TEAMS, claims())
    assert Person("ann@example.org (Example SSO)", READ) == person
    with pytest.raises(InputError, match="is not a valid key name"):
        grant(person.name, ["read"])


@pytest.mark.parametrize("name", [None, "", "  ", 7, ["ann"], "a" * 101, "ann\nroot", "ann\u202egro.elpmaxe"])
def test_what_is_no_name_is_refused(name: Any) -> None:
    with pytest.raises(ForbiddenError, match="its claim 'email' is no name"):
        person_of(TEAMS, claims(email=name))


@pytest.mark.parametrize("verified", [False, "false", 0, None, "no", "False ", "", [], [False], {}], ids=repr)
def test_an_address_that_is_not_verified_is_refused(verified: Any) -> None:
    by_address = replace(TEAMS, name_claim="sub", groups_claim="email")
    for provider in (TEAMS, by_address):
        with pytest.raises(ForbiddenError, match="has not verified the address"):
            person_of(provider, claims(email_verified=verified))
    assert person_of(replace(TEAMS, name_claim="sub"), claims(email_verified=verified))


@pytest.mark.parametrize("groups", [7, {"readers": 1}, [7], ["readers"] * 1001])
def test_what_are_no_groups_are_refused(groups: Any) -> None:
    with pytest.raises(ForbiddenError, match="is no list of up to 1000 texts"):
        person_of(TEAMS, claims(groups=groups))


@pytest.mark.parametrize(("groups", "shown"), [(None, r"\(none\)"), (["a'b"] * 12, "and 2 more")])
def test_who_is_in_no_group_is_told_which_ones_were_named(groups: Any, shown: str) -> None:
    with pytest.raises(ForbiddenError, match=shown):
        person_of(TEAMS, claims(groups=groups))


def test_a_group_may_be_a_text_and_a_claim_a_path_or_a_name_with_dots() -> None:
    assert READ == person_of(TEAMS, claims(groups="readers")).grant
    nested = {"realm_access": {"roles": ["readers"]}, "https://example.org/groups": ["risk"]}
    assert ["readers"] == claim(nested, "realm_access.roles")
    assert ["risk"] == claim(nested, "https://example.org/groups")
    assert claim(nested, "realm_access.roles.more") is None


def test_the_mapping_s_digest_is_of_what_decides() -> None:
    assert TEAMS.mapping == replace(TEAMS, client_secret="env:OTHER_SECRET", scopes=("openid",)).mapping
    others = [
        replace(TEAMS, everyone=READ),
        replace(TEAMS, issuer="https://id2.example"),
        replace(TEAMS, name_claim="sub"),
        replace(TEAMS, groups=TEAMS.groups[::-1]),
    ]
    assert len({provider.mapping for provider in (TEAMS, *others)}) == 5


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://id.example/realms/ml", True),
        ("https://id.example:8443?p=policy", True),
        ("http://127.0.0.1:9000", True),
        ("http://localhost", True),
        ("http://[::1]:9000/x", True),
        ("http://id.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost@evil.example", False),
        ("https://user@id.example", False),
        ("https://id.example#x", False),
        ("https://", False),
        ("https://id.example:x", False),
        ("https://id.exa mple", False),
        ("https://[", False),
        ("javascript:alert(1)", False),
        ("//id.example", False),
    ],
)
def test_an_address_is_secure_by_https_or_on_this_machine(url: str, *, expected: bool) -> None:
    assert expected == is_secure(url)
