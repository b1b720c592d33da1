"""What is sent to the wizard by hand gets around no check: texts, names, fields, roles, and many at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from tests.integration.gateway.pages.wizard.conftest import CHURN, REFUSED, Office, downloaded
from tests.support.browsing import Browser, browser_of
from tests.support.hostile_texts import HOSTILE


@pytest.mark.parametrize(
    "text",
    [
        "x\n  trainer: os:system", "x: y", "&a b", "*a", "!!python/object/apply:os.system [id]", "'", '"', "- x", "# x", "{a: b}",
        "---", "...", "%YAML 1.1", "|", ">", "null", "true", "1", "2026-01-01", "\x85", "\u2028x", "\ufeffx", "é", "a" * 900,
        *(text for text in HOSTILE if "\ud800" not in text),  # which no form can hold
    ],
)  # fmt: skip
def test_no_text_becomes_anything_but_itself_in_the_file(browser: Browser, text: str) -> None:
    page = downloaded(browser, CHURN | {"description": text})
    if page.status_code == 422:
        assert "The field 'description' has" in Browser(browser.client, page).text
        return
    expected = {name: CHURN[name] for name in ("name", "model_name", "task", "label")}
    expected |= {"description": text.strip()} if text.strip() else {}
    assert {"type": "modelops_pipelines.ModelEndpoint", "attributes": expected} == yaml.safe_load(page.text)


@pytest.mark.parametrize(
    "name", ["../x", "..", ".", "/etc/x", "a/b", "a\\b", "", "%2e%2e", "x" * 64, "x" * 5000, "é", "\uff41", "a\x00b", "-a", "A", "a.yaml", "~"]
)  # fmt: skip
def test_a_name_that_leads_elsewhere_writes_nothing(browser: Browser, office: Office, name: str) -> None:
    browser.open("/new")
    before = set(office.project.folder.rglob("*.yaml"))
    for path in ("/new/review", "/new/write", "/new/download"):
        assert 422 == browser.send(path, follow=False, **(CHURN | {"name": name})).status_code
    assert before == set(office.project.folder.rglob("*.yaml"))


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"served": "predibase"}, 422),
        ({"model_name": "no_such"}, 404),
        ({"model_name": "../free_model"}, 422),
        ({"model_name": "a' OR name LIKE '%"}, 404),
        ({"model_name": "'\""}, 422),
        ({"model_name": ""}, 422),
        ({"name": "cancer"}, 409),
        ({"label": "x\ny"}, 422),
    ],
)
def test_a_form_that_was_made_by_hand_gets_around_no_check(
    browser: Browser, office: Office, changed: dict[str, str], status: int
) -> None:
    browser.open("/new")
    before = office.files
    for path in ("/new/write", "/new/download"):
        assert status == browser.send(path, follow=False, **(CHURN | changed)).status_code
    assert browser.send("/new/review", follow=False, **(CHURN | changed)).status_code in REFUSED
    assert before == office.files


def test_keys_that_run_code_or_read_files_are_no_fields(browser: Browser, office: Office) -> None:
    more = {"trainer": "os:system", "allow_pickle": "true", "accept_pickles": "a" * 64, "trust": "x", "metrics": "x"}
    page = downloaded(browser, CHURN | more)
    assert downloaded(browser, CHURN).text == page.text
    key = {"X-API-Key": office.keys["root"]}
    body = {name: value for name, value in CHURN.items() if name != "version"}
    for name, value in more.items():
        answer = office.gateway.client.post("/endpoints", json={**body, name: value, "dry_run": True}, headers=key)
        assert 422 == answer.status_code


def test_a_file_is_written_once_however_many_send_it_at_once(browser: Browser, office: Office) -> None:
    browser.open("/new")
    sent = [CHURN | {"description": f"by {number}"} for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda fields: browser.send("/new/write", follow=False, **fields), sent))
    assert [303] + [409] * 7 == sorted(one.status_code for one in answers)
    winner = next(number for number, one in enumerate(answers) if one.status_code == 303)
    assert f"description: by {winner}\n".encode() in office.files["churn.yaml"]
    assert [] == [name for name in office.files if name.startswith(".")]


def test_a_name_that_has_a_history_is_not_taken_over(browser: Browser, office: Office) -> None:
    browser.open("/new")
    (office.project.stores.settings.lake / "gone").mkdir()
    answer = browser.send("/new/write", **(CHURN | {"name": "gone"}))
    assert (409, True) == (answer.status_code, "was an endpoint's name before" in browser.text)


@pytest.mark.parametrize("who", ["rita", "part"])
def test_who_may_not_add_an_endpoint_gets_no_page_of_it(office: Office, who: str) -> None:
    with browser_of(office.gateway) as browser:
        browser.sign_in(office.keys[who])
        assert ("New endpoint" in browser.text) == (who == "part")
        before = office.files
        assert [403] * 3 == [browser.open(path).status_code for path in ("/new", "/new/model", "/new/configure")]
        browser.open("/")
        sent = [
            browser.send(f"/new/{act}", follow=False, **CHURN) for act in ("configure", "review", "write", "download")
        ]
        assert [403] * 4 == [one.status_code for one in sent]
        assert before == office.files
