"""The pages of API keys: a secret is shown once and nowhere else, a form makes one key, and teams keep to their own."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import unescape

import pytest

from modelops_pipelines.core.access.api_keys import IssuedKey, grant, is_wellformed
from tests.support.browsing import PHONE, Browser, browser_of, chromium
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.programs import needs
from tests.support.project import CANCER_YAML, Project, make_project
from tests.support.waiting import wait_until

RISK_YAML = CANCER_YAML.replace("cancer", "loans").replace("tumours", "loans") + '  owners: ["team:risk"]\n'
LIMITED_YAML = CANCER_YAML + "  limits: {per_key: 5000/hour, concurrent: 7}\n"
_SECRET = re.compile(r"sk_(?:live|test)_[a-z2-7]{10}_[a-z2-7]+")
_FORM = re.compile(r'name="form" value="([^"]+)"')
FIELDS = {"name": "ci", "role-predict": "yes", "mode": "live", "expires_in": "90d"}


@dataclass
class Office:
    """A gateway with keys: of an admin of all (root), of a team's admin (lead), of one endpoint's (part), a reader."""

    gateway: RunningGateway
    project: Project
    keys: dict[str, IssuedKey]

    def count(self) -> int:
        return len(self.project.stores.keys.list())


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    project = make_project(tmp_path_factory.mktemp("keys") / "project", LIMITED_YAML)
    (project.folder / "endpoints" / "loans.yaml").write_text(RISK_YAML)
    store, now = project.stores.keys, project.stores.now()
    wanted = {
        "root": grant("root", ["admin"]),
        "lead": grant("lead", ["admin"], team="risk"),
        "part": grant("part", ["admin"], endpoints=["cancer"]),
        "eve": grant("eve", ["operate"]),
    }
    keys = {name: store.create(given, now=now, actor="test") for name, given in wanted.items()}
    with running_gateway(project, ready=False) as gateway:
        yield Office(gateway, project, keys)
    project.stores.database.close()


@pytest.fixture
def browser(office: Office) -> Iterator[Browser]:
    with browser_of(office.gateway) as made:
        yield made


def _signed_in(browser: Browser, office: Office, who: str = "root") -> Browser:
    browser.sign_in(office.keys[who].text)
    return browser


def _form_of(browser: Browser) -> str:
    found = _FORM.search(browser.open("/keys/new").text)
    assert found is not None
    return unescape(found[1])


def _secret(text: str) -> str:
    [secret] = set(_SECRET.findall(text))
    assert is_wellformed(secret)
    return secret


def _found(office: Office, text: str) -> list[str]:
    """Return the files of the home and the logs that have a text."""
    files = [path for path in office.project.folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if text.encode() in path.read_bytes()]


def test_a_secret_is_on_the_form_s_own_answer_and_nowhere_else(browser: Browser, office: Office) -> None:
    form = _form_of(_signed_in(browser, office))
    made = browser.send("/keys", follow=False, form=form, **FIELDS)
    secret = _secret(made.text)
    assert (200, "no-store", "/ui/keys") == (made.status_code, made.headers["cache-control"], made.url.path)
    assert all(secret not in str(header) for header in made.headers.multi_items())
    assert all(secret not in (cookie.value or "") for cookie in browser.client.cookies.jar)
    assert 'data-copy="secret"' in made.text
    key = next(one for one in office.project.stores.keys.list() if one.key_id == secret.split("_")[2])
    assert ("ci", ("predict",), None, "root") == (key.name, key.roles, key.endpoints, key.created_by)
    for path in ("/keys", f"/keys/{key.key_id}", "/keys/new"):
        assert secret not in browser.open(path).text
    assert [] == _found(office, secret)
    assert 403 == office.gateway.client.get("/endpoints", headers={"x-api-key": secret}).status_code


def test_a_page_that_is_loaded_again_makes_no_second_key_and_shows_none(browser: Browser, office: Office) -> None:
    form = _form_of(_signed_in(browser, office))
    browser.send("/keys", follow=False, form=form, **FIELDS)
    before = office.count()
    again = browser.send("/keys", follow=False, form=form, **FIELDS)
    assert (409, before) == (again.status_code, office.count())
    assert "was sent before" in again.text
    assert not _SECRET.search(again.text)


def test_a_form_that_is_sent_twice_at_once_makes_one_key(browser: Browser, office: Office) -> None:
    form = _form_of(_signed_in(browser, office))
    before = office.count()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: browser.send("/keys", follow=False, form=form, **FIELDS), range(8)))
    assert [200] + [409] * 7 == sorted(one.status_code for one in answers)
    assert before + 1 == office.count()


@pytest.mark.parametrize("form", ["", "x", "a" * 32 + ".1760000000000." + "0" * 64])
def test_a_form_that_was_not_given_out_makes_no_key(browser: Browser, office: Office, form: str) -> None:
    _form_of(_signed_in(browser, office))
    before = office.count()
    assert 409 == browser.send("/keys", follow=False, form=form, **FIELDS).status_code
    assert before == office.count()


def test_another_s_form_makes_no_key(browser: Browser, office: Office) -> None:
    with browser_of(office.gateway) as another:
        form = _form_of(_signed_in(another, office))
    _form_of(_signed_in(browser, office))
    assert 409 == browser.send("/keys", follow=False, form=form, **FIELDS).status_code


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"name": "<b>"}, 422, "is not a valid key name"),
        ({"name": ""}, 422, "The field 'name' is empty"),
        ({"role-predict": ""}, 422, "has no role"),
        ({"mode": "dead"}, 422, "There is no mode 'dead'"),
        ({"endpoints": "nowhere"}, 404, "nowhere"),
        ({"expires_in": "soon"}, 422, "is not a duration"),
        ({"team": "x" * 150}, 422, "is not the name of a team"),
    ],
)
def test_what_cannot_be_is_said_on_the_form_with_what_was_filled_in(
    browser: Browser, office: Office, changed: dict[str, str], status: int, said: str
) -> None:
    form = _form_of(_signed_in(browser, office))
    before = office.count()
    browser.send("/keys", form=form, **(FIELDS | {"endpoints": "cancer"} | changed))
    assert browser.shown is not None
    assert (status, before) == (browser.shown.status_code, office.count())
    assert said in browser.text
    assert f'name="endpoints" value="{changed.get("endpoints", "cancer")}"' in browser.shown.text
    assert 200 == browser.send("/keys", form=_FORM.findall(browser.shown.text)[0], **FIELDS).status_code


def test_a_key_is_rotated_and_revoked_after_it_was_said_what_happens(browser: Browser, office: Office) -> None:
    stores = office.project.stores
    old = stores.keys.create(grant("old", ["read"], endpoints=["cancer"]), now=stores.now(), actor="test")
    _signed_in(browser, office).open(f"/keys/{old.key.key_id}")
    assert ("5000/hour" in browser.text, "It cannot be undone" in browser.text) == (True, True)
    assert 422 == browser.send(f"/keys/{old.key.key_id}/rotate", follow=False, overlap="soon").status_code
    made = browser.send(f"/keys/{old.key.key_id}/rotate", follow=False, overlap="1h")
    secret = _secret(made.text)
    assert (200, "no-store") == (made.status_code, made.headers["cache-control"])
    assert 409 == browser.send(f"/keys/{old.key.key_id}/rotate", follow=False, overlap="1h").status_code
    assert {old.text, secret} == {key for key in (old.text, secret) if _reads(office, key)}
    new = secret.split("_")[2]
    browser.send(f"/keys/{new}/revoke")
    assert f"The key {new} (old) is revoked" in browser.text
    assert not _reads(office, secret)
    assert "Rotate" not in browser.open(f"/keys/{new}").text


def _reads(office: Office, key: str) -> bool:
    return 200 == office.gateway.client.get("/endpoints", headers={"x-api-key": key}).status_code


def test_who_revokes_the_own_key_is_signed_out(browser: Browser, office: Office) -> None:
    stores = office.project.stores
    mine = stores.keys.create(grant("leaver", ["admin"]), now=stores.now(), actor="test")
    wait_until(lambda: _reads(office, mine.text), 20)
    browser.sign_in(mine.text)
    assert "also you" in browser.open(f"/keys/{mine.key.key_id}").text
    browser.send(f"/keys/{mine.key.key_id}/revoke")
    assert "Sign in" in browser.text


def test_an_admin_of_a_team_has_the_team_s_keys_alone(browser: Browser, office: Office) -> None:
    form = _form_of(_signed_in(browser, office, "lead"))
    before = office.count()
    wider = browser.send("/keys", form=form, **FIELDS)
    assert (403, "may not make a key for the whole gateway" in browser.text) == (wider.status_code, True)
    other = browser.send("/keys", form=form, team="fraud", **FIELDS)
    assert (403, before) == (other.status_code, office.count())
    elsewhere = browser.send("/keys", form=form, team="risk", endpoints="cancer", **FIELDS)
    assert (403, before) == (elsewhere.status_code, office.count())
    secret = _secret(browser.send("/keys", form=form, team="risk", **FIELDS).text)
    browser.open("/keys")
    root = office.keys["root"].key.key_id
    assert (secret.split("_")[2] in browser.text, root in browser.text) == (True, False)
    browser.open(f"/keys/{secret.split('_')[2]}")
    assert ("loans" in browser.text, "cancer" in browser.text) == (True, False)
    for act in ("rotate", "revoke"):
        assert 404 == browser.send(f"/keys/{root}/{act}", follow=False, overlap="1h").status_code
    assert 404 == browser.open(f"/keys/{root}").status_code
    assert _reads(office, office.keys["root"].text)


@pytest.mark.parametrize("who", ["eve", "part"])
def test_who_is_no_admin_of_all_or_of_a_team_sees_no_key(browser: Browser, office: Office, who: str) -> None:
    _signed_in(browser, office, who)
    before, root = office.count(), office.keys["root"].key.key_id
    paths = ("/keys", "/keys/new", f"/keys/{root}")
    assert [403] * 3 == [browser.open(path).status_code for path in paths]
    browser.open("/")
    posts = ("/keys", f"/keys/{root}/rotate", f"/keys/{root}/revoke")
    assert [403] * 3 == [browser.send(path, follow=False, overlap="1h", **FIELDS).status_code for path in posts]
    assert before == office.count()


@pytest.mark.parametrize("key_id", ["aaaaaaaaaa", "%00", "x" * 300])
def test_a_key_that_is_not_there_is_a_page_that_says_so(browser: Browser, office: Office, key_id: str) -> None:
    _signed_in(browser, office)
    assert (404, True) == (browser.open(f"/keys/{key_id}").status_code, "There is no key" in browser.text)


def test_the_first_key_of_an_open_gateway_is_made_by_the_page(tmp_path_factory: pytest.TempPathFactory) -> None:
    project = make_project(tmp_path_factory.mktemp("open") / "project")
    with running_gateway(project, ready=False) as gateway, browser_of(gateway) as browser:
        assert "There is no key" in browser.open("/keys").text
        form = _form_of(browser)
        made = browser.send("/keys", form=form, name="root", **{"role-admin": "yes"})
        assert "This is the first key" in made.text
        assert "Sign in" in browser.open("/keys").text
        browser.sign_in(_secret(made.text), "/ui/keys")
        assert "root" in browser.text
    project.stores.database.close()


@needs("chromium")
def test_the_pages_hold_on_a_phone_and_on_a_desk_and_copy_the_key(office: Office) -> None:
    for size in (PHONE, None):
        with chromium(office.gateway, size=size) as tab:
            tab.sign_in(office.keys["root"].text)
            for path in ("/keys", f"/keys/{office.keys['lead'].key.key_id}", "/keys/new"):
                tab.open(path)
                assert not tab.scrolls_sideways(), (path, size)
            tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
            tab.page.fill("#name", "by hand")
            tab.page.check("input[name=role-read]")
            tab.page.get_by_role("button", name="Create the key").click()
            tab.page.get_by_role("button", name="Copy").click()
            tab.page.get_by_role("button", name="Copied").wait_for()
            assert tab.page.input_value("#secret") == tab.page.evaluate("navigator.clipboard.readText()")
            assert not tab.scrolls_sideways()
            before = office.count()
            tab.page.reload()
            tab.page.get_by_text("This form was sent before").wait_for()
            assert before == office.count()
            tab.said = [said for said in tab.said if "409" not in said]
