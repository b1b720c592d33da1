"""The sign-in file: what it says, and what is refused by its line."""

from pathlib import Path

import pytest

from modelops_pipelines.core.access.identities import GroupGrant, Provider
from modelops_pipelines.core.errors import SettingsError
from modelops_pipelines.operations.governance.identity_provider import asks_for_keys, client_secret, identity_provider
from modelops_pipelines.store.settings import Settings, load_settings
from modelops_pipelines.store.stores import Stores
from tests.support.pages import blocks
from tests.support.paths import ROOT

HEAD = "issuer: https://id.example/realms/ml\nclient_id: modelops\nclient_secret: env:OIDC_SECRET\n"
FILE = HEAD + "groups: {admins: {roles: [admin]}, risk: {roles: [predict, operate], teams: ['team:risk']}}\n"
WRONG = {
    "http": (FILE.replace("https:", "http:"), "1: issuer: is not the address of a provider. Write an address of https"),
    "a query": (FILE.replace("/ml", "/ml?x=1"), "1: issuer: is not the address of a provider"),
    "no issuer": (FILE.replace("issuer", "isuer"), "1: isuer: is not a known key"),
    "no client": (FILE.replace("client_id: modelops\n", ""), "client_id: is missing"),
    "no secret": (FILE.replace("client_secret: env:OIDC_SECRET\n", ""), "client_secret: is missing"),
    "the secret itself": (FILE.replace("env:OIDC_SECRET", "hunter2hunter2"), "3: client_secret: must name where its"),
    "a variable that models see": (FILE.replace("OIDC_SECRET", "OIDC"), "would see. Use a name that ends with SECRET"),
    "an unknown role": (FILE.replace("[admin]", "[amin]"), "4: groups.admins.roles[0]: there is no role 'amin'"),
    "no role": (FILE.replace("[admin]", "[]"), "groups.admins: has no role. Write 'roles: [read]'"),
    "no team": (FILE.replace("['team:risk']", "[]"), "groups.risk.teams: is an empty list. Name at least one"),
    "a team without a name": (FILE.replace("team:risk", "team:"), "is not the name of a team"),
    "nobody": (HEAD, "groups: is missing: nobody could sign in"),
    "groups without roles": (HEAD + "groups: [admins]\n", "groups: must be a mapping, but is a list"),
    "a group that is a role": (HEAD + "groups: {admins: admin}\n", "groups.admins: must be a mapping"),
    "a group twice": (HEAD + "groups:\n  a: {roles: [read]}\n  a: {roles: [admin]}\n", "is already set on line 5"),
    "no openid": (FILE + "scopes: [email]\n", "scopes: lacks openid. Write 'scopes: [openid, profile, email]'"),
    "two scopes in one": (FILE + "scopes: [openid email]\n", "5: scopes[0]: is not a scope"),
    "a name with parentheses": (FILE + "name: root (key)\n", "5: name: is not a provider's name"),
    "nothing": ("", "document: is empty"),
    "no YAML": ("{", "document: is not valid YAML"),
}


def settings_of(tmp_path: Path, content: str | None, **environment: str) -> Settings:
    if content is not None:
        (tmp_path / "sign-in.yaml").write_text(content)
    return load_settings(tmp_path, {"MODELOPS_SIGN_IN": "sign-in.yaml", **environment})


def test_without_the_setting_there_is_no_provider(tmp_path: Path) -> None:
    assert identity_provider(load_settings(tmp_path, {})) is None


def test_a_file_says_who_and_what(tmp_path: Path) -> None:
    found = identity_provider(settings_of(tmp_path, FILE))
    groups = (("admins", GroupGrant(("admin",))), ("risk", GroupGrant(("predict", "operate"), ("risk",))))
    issuer = "https://id.example/realms/ml"
    assert Provider("id.example", issuer, "modelops", "env:OIDC_SECRET", groups=groups) == found


def test_everything_can_be_said(tmp_path: Path) -> None:
    more = "name: Example SSO\nscopes: [openid, groups]\nname_claim: upn\ngroups_claim: realm_access.roles\n"
    found = identity_provider(settings_of(tmp_path, HEAD + more + "everyone: {roles: [read]}\n"))
    assert found is not None
    assert ("Example SSO", ("openid", "groups")) == (found.name, found.scopes)
    assert ("upn", "realm_access.roles") == (found.name_claim, found.groups_claim)
    assert ((), GroupGrant(("read",))) == (found.groups, found.everyone)


def test_the_documented_file_is_one(tmp_path: Path) -> None:
    [content] = [content for _, title, content in blocks(ROOT / "docs" / "pages.md") if title == "sign-in.yaml"]
    found = identity_provider(settings_of(tmp_path, content))
    assert found is not None
    assert GroupGrant(("operate",), ("risk",)) == found.grant_of(["ml-readers", "risk-operators"])


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
def test_a_fault_is_named_by_its_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        identity_provider(settings_of(tmp_path, content))
    assert message in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_file_that_is_gone_is_not_the_same_as_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        identity_provider(settings_of(tmp_path, None))


@pytest.mark.parametrize(
    "environment",
    [
        {"MODELOPS_HOST": "0.0.0.0"},
        {"MODELOPS_PUBLIC_URL": "http://ml.example.com"},
        {"MODELOPS_PUBLIC_URL": "https://ml.example.com/?x"},
    ],
)
def test_people_are_sent_back_by_https_or_on_this_machine(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="Set MODELOPS_PUBLIC_URL to the gateway's address for people"):
        identity_provider(settings_of(tmp_path, FILE, **environment))
    assert identity_provider(settings_of(tmp_path, FILE, MODELOPS_PUBLIC_URL="https://ml.example.com"))


def test_with_a_provider_the_gateway_asks_for_keys_before_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not asks_for_keys(Stores(load_settings(tmp_path, {})))
    stores = Stores(settings_of(tmp_path, FILE))
    with pytest.raises(SettingsError, match="The variable OIDC_SECRET is not set"):
        asks_for_keys(stores)
    monkeypatch.setenv("OIDC_SECRET", "hunter2")
    assert asks_for_keys(stores)


def test_the_secret_is_where_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_variable = identity_provider(settings_of(tmp_path, FILE))
    assert by_variable is not None
    with pytest.raises(SettingsError, match="The variable OIDC_SECRET is not set in the gateway's process"):
        client_secret(by_variable)
    monkeypatch.setenv("OIDC_SECRET", " hunter2 ")
    assert "hunter2" == client_secret(by_variable)
    (tmp_path / "kept").write_text("hunter3\n")
    by_file = identity_provider(settings_of(tmp_path, FILE.replace("env:OIDC_SECRET", "file:kept")))
    assert by_file is not None
    assert "hunter3" == client_secret(by_file)
    assert "hunter" not in repr(by_file) + repr(by_variable)
