"""Which models the wizard shows, and which endpoints a team's person may make."""

import re
from pathlib import Path

import pytest

from modelops_pipelines.core.access.api_keys import grant
from tests.integration.gateway.pages.wizard.conftest import CHURN, Office, submit
from tests.support.browsing import Browser, browser_of
from tests.support.command_line import modelops
from tests.support.gateway import running_gateway
from tests.support.project import make_project, train_first


def test_models_are_found_by_a_part_of_their_names_and_page_by_page(browser: Browser, office: Office) -> None:
    browser.open("/new/model?search=FREE")
    assert ("free_model" in browser.text, "risk_scores" in browser.text) == (True, False)
    assert 200 == browser.open("/new/model?search=%27%22%5C").status_code
    assert "No registered model has this in its name" in browser.text
    assert 422 == browser.open("/new/model?cursor=x").status_code
    assert 404 == browser.open("/new/model?model=no_such").status_code
    client, key = office.gateway.client, {"X-API-Key": office.keys["ann"]}
    names, cursor = [], None
    while True:
        page = client.get("/models", params={"limit": 1} | ({"cursor": cursor} if cursor else {}), headers=key).json()
        names += [one["name"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert ["free_model", "risk_scores", "tumours"] == names
    told = modelops(office.project, "model", "registered", "--json").json["items"]
    assert [["free_model", []], ["risk_scores", ["loans"]], ["tumours", ["cancer"]]] == [
        [one["name"], one["endpoints"]] for one in told
    ]
    for text in ("'", '"', "%", "_", "a' OR '1'='1", "x" * 200, "; DROP TABLE", "\u202e"):
        assert 200 == client.get("/models", params={"search": text}, headers=key).status_code
    for cursor in ("e30", "W10", "eyJvZmZzZXQiOiAtNX0", "é", "x" * 200):
        assert client.get("/models", params={"cursor": cursor}, headers=key).status_code in {200, 422}


@pytest.mark.parametrize(("who", "seen"), [("lead", {"free_model", "risk_scores"}), ("fred", {"free_model"})])
def test_a_team_sees_the_models_of_its_endpoints_and_those_that_nobody_serves(
    office: Office, who: str, seen: set[str]
) -> None:
    with browser_of(office.gateway) as browser:
        browser.sign_in(office.keys[who])
        browser.open("/new/model")
        assert seen == {name for name in ("free_model", "risk_scores", "tumours") if name in browser.text}
        hidden = [browser.open(f"/new/model?model={name}") for name in ("tumours", "no_such")]
        assert [404, 404] == [one.status_code for one in hidden]
        browser.open("/new")
        fields = CHURN | {"owners": f"team:{'risk' if who == 'lead' else 'fraud'}"}
        asked = [fields | {"model_name": name} for name in ("tumours", "no_such")]
        made = [browser.send("/new/write", follow=False, **one) for one in asked]
        assert [404, 404] == [one.status_code for one in made]
        said = [Browser(browser.client, one).text for one in made]
        assert said[0].replace("tumours", "no_such") == said[1]


def test_a_team_makes_an_endpoint_of_its_own_and_deploys_it(office: Office) -> None:
    with browser_of(office.gateway) as browser:
        browser.sign_in(office.keys["lead"])
        browser.open("/new/configure?model_name=free_model&version=1")
        assert 'name="owners" value="team:risk"' in (browser.shown.text if browser.shown else "")
        for owners in ("", "ann@example.org", "team:fraud", "team:risk, team:fraud", "team:nobody_here"):
            refused = browser.send("/new/review", **(CHURN | {"owners": owners}))
            assert (422, True) == (refused.status_code, "may make endpoints of its own team alone" in browser.text)
            assert 403 == browser.send("/new/write", follow=False, **(CHURN | {"owners": owners})).status_code
        taken = browser.send("/new/review", **(CHURN | {"owners": "team:risk", "name": "cancer"}))
        assert (422, False) == (taken.status_code, "tumours" in browser.text)
        browser.send("/new/write", **(CHURN | {"owners": "team:risk, lead@example.org"}))
        assert "The endpoint is taken up" in browser.text
        submit(browser, "/endpoints/churn/release/deploy")
        assert browser.shown is not None
        assert 200 == browser.shown.status_code, browser.text
    with browser_of(office.gateway) as other:
        other.sign_in(office.keys["fred"])
        mine, ghost = (other.open(f"/new/written?name={name}").text for name in ("churn", "ghost"))
        assert "This gateway has no such endpoint" in mine
        assert re.sub(r'value="[^"]*"', "", mine) == re.sub(r'value="[^"]*"', "", ghost)


def test_where_the_last_page_leads_every_worker_knows_the_endpoint_and_whose_it_is(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    project = make_project(tmp_path_factory.mktemp("workers") / "project", MODELOPS_WORKERS="3")
    project.stores.registry.register_folder("free_model", Path(train_first(project).artifact_uri))
    risk = grant("lead", ["operate"], team="risk")
    key = project.stores.keys.create(risk, now=project.stores.now(), actor="test").text
    with running_gateway(project, ready=False) as gateway, browser_of(gateway) as browser:
        browser.sign_in(key)
        for name in ("first", "second", "third"):
            browser.open("/new")
            browser.send("/new/write", **(CHURN | {"name": name, "owners": "team:risk"}))
            assert "The endpoint is taken up" in browser.text
            for _ in range(6):
                with browser_of(gateway) as connected_anew:
                    connected_anew.client.cookies.update(browser.client.cookies)
                    assert 200 == connected_anew.open(f"/endpoints/{name}/release/deploy?version=1").status_code
    project.stores.database.close()
