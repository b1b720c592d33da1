"""The pages of alert rules: their verdicts, and a change that is tried on the last days before it is saved."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.core.windows import LENGTH, window_of
from tests.fakes.lake_rows import write
from tests.support.browsing import PHONE, Browser, browser_of, chromium
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.programs import needs
from tests.support.project import CANCER_YAML, Project, make_project

OTHER_YAML = CANCER_YAML.replace("cancer", "other").replace("tumours", "others")
RULES = "/endpoints/cancer/alert-rules"
STRICT = {"kind": "error_rate", "name": "strict", "condition": "above", "limit": "0.1", "over": "1h"}
BAD_HOURS = {10, 30}


@dataclass
class Desk:
    """A gateway with an endpoint that has two days behind it; keys of an admin, an operator of it and a reader."""

    gateway: RunningGateway
    project: Project
    keys: dict[str, str]

    def versions(self) -> list[Mapping[str, object] | None]:
        return [one.rule for one in self.project.stores.runtime_rules.of("cancer") if one.name == "strict"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    project = make_project(tmp_path_factory.mktemp("rules") / "project")
    (project.folder / "endpoints" / "other.yaml").write_text(OTHER_YAML)
    stores, hour = project.stores, window_of(project.stores.now(), "hour")
    row = {"model_version": "1", "variant": "champion", "requests": 100, "predictions": 100, "client_errors": 0}
    row |= {"latency_sum_ms": 1.0, "latency_counts": '{"150": 100}'}
    rows = [
        {**row, "window_start": hour - n * LENGTH["hour"], "server_errors": 20 if n in BAD_HOURS else 1}
        for n in range(1, 41)
    ]
    write(stores, project.spec, SERVICE_METRICS, rows)
    wanted = {
        "root": grant("root", ["admin"]),
        "bob": grant("bob", ["operate"], endpoints=["cancer"]),
        "eve": grant("eve", ["read"], endpoints=["cancer"]),
        "chief": grant("chief", ["admin"], endpoints=["cancer"]),
    }
    keys = {name: stores.keys.create(one, now=stores.now(), actor="test").text for name, one in wanted.items()}
    with running_gateway(project, ready=False) as gateway:
        yield Desk(gateway, project, keys)
    project.stores.database.close()


@pytest.fixture
def browser(desk: Desk) -> Iterator[Browser]:
    with browser_of(desk.gateway) as made:
        yield made


def _signed_in(browser: Browser, desk: Desk, who: str) -> Browser:
    browser.sign_in(desk.keys[who])
    return browser


def test_a_rule_is_tried_saved_changed_and_removed(browser: Browser, desk: Desk) -> None:
    _signed_in(browser, desk, "bob").open(RULES)
    assert ("error_rate" in browser.text, "strict" in browser.text) == (True, False)
    browser.open(f"{RULES}/edit")
    browser.send(f"{RULES}/try", **STRICT)
    assert "2 alerts in 30 days: 2 verdicts failed, 38 passed, 0 were not judged" in browser.text
    assert "On synthetic requests fires" in browser.text
    assert "error_rate 0.2 is above 0.1" in browser.text
    assert [] == desk.versions()
    browser.send(RULES, **STRICT)
    assert "Rule strict is in force (version 1)" in browser.text
    assert "by bob" in browser.text
    browser.open(f"{RULES}/edit?rule=strict")
    assert "Change rule strict" in browser.text
    browser.send(f"{RULES}/try", **(STRICT | {"limit": "0.5"}))
    assert "0 alerts in 30 days" in browser.text
    assert "As it is in force now 2 alerts in 30 days" in browser.text
    assert [0.1] == [one["above"] for one in desk.versions() if one]
    browser.send(RULES, **(STRICT | {"limit": "0.5"}))
    assert [0.5] == [one["above"] for one in desk.versions() if one]
    browser.open(f"{RULES}/edit?rule=strict")
    assert "its open alert is resolved" in browser.text
    browser.send(f"{RULES}/strict/remove")
    assert "Rule strict is removed" in browser.text
    assert [] == desk.versions()


@pytest.mark.parametrize("act", ["", "/try"])
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"limit": "much"}, "above"),
        ({"kind": "colour"}, "colour"),
        ({"over": "soon"}, "over"),
        ({"labels": "team"}, "is not NAME=VALUE"),
    ],
)
def test_a_rule_that_is_not_valid_is_said_on_the_form(
    browser: Browser, desk: Desk, act: str, changed: dict[str, str], said: str
) -> None:
    _signed_in(browser, desk, "bob").open(f"{RULES}/edit")
    answer = browser.send(f"{RULES}{act}", **(STRICT | changed))
    assert (422, True) == (answer.status_code, said in browser.text)
    assert 'name="name" value="strict"' in answer.text
    assert [] == desk.versions()


def test_a_rule_of_the_yaml_is_copied_and_not_changed(browser: Browser, desk: Desk) -> None:
    _signed_in(browser, desk, "bob")
    page = browser.open(f"{RULES}/edit?rule=error_rate")
    assert 'name="name" value="error_rate_2"' in page.text
    assert "stays as the YAML says" in browser.text
    assert 409 == browser.send(RULES, follow=False, **(STRICT | {"name": "error_rate"})).status_code
    assert 409 == browser.send(f"{RULES}/error_rate/remove", follow=False).status_code
    assert 404 == browser.send(f"{RULES}/nothing/remove", follow=False).status_code


@pytest.mark.parametrize(("who", "said"), [("bob", "lacks the required role"), ("chief", "is not scoped to")])
def test_a_file_of_the_host_takes_an_admin_on_all_endpoints(browser: Browser, desk: Desk, who: str, said: str) -> None:
    """Errors quote the file, which may be another endpoint's: pages ask what the routes ask."""
    _signed_in(browser, desk, who).open(f"{RULES}/edit")
    fields = {"kind": "sql", "sql": "/etc/passwd", "condition": "above", "limit": "1"}
    rule, key = {"kind": "sql", "sql": "/etc/passwd", "above": 1}, {"x-api-key": desk.keys[who]}
    for path in ("", "/try"):
        answer = browser.send(f"{RULES}{path}", follow=False, **fields)
        assert (403, True) == (answer.status_code, said in answer.text)
        route = desk.gateway.client.post(f"{RULES}{path}", json={"rule": rule}, headers=key)
        assert (403, True) == (route.status_code, said in route.text)


def test_a_reader_sees_the_verdicts_and_changes_nothing(browser: Browser, desk: Desk) -> None:
    _signed_in(browser, desk, "eve").open(RULES)
    assert ("error_rate" in browser.text, "Add a rule" in browser.text) == (True, False)
    assert 403 == browser.client.get(f"/ui{RULES}/edit").status_code
    for path in (RULES, f"{RULES}/try", f"{RULES}/error_rate/remove"):
        assert 403 == browser.send(path, follow=False, **STRICT).status_code


def test_rules_of_an_endpoint_out_of_scope_are_those_of_none(browser: Browser, desk: Desk) -> None:
    _signed_in(browser, desk, "bob")
    for path in ("/endpoints/other/alert-rules", "/endpoints/nothing/alert-rules/edit"):
        answer = browser.open(path)
        assert (403, True) == (answer.status_code, "is not scoped to" in answer.text)
    browser.open(RULES)
    for path in ("", "/try", "/error_rate/remove"):
        assert 403 == browser.send(f"/endpoints/other/alert-rules{path}", follow=False, **STRICT).status_code


@needs("chromium")
def test_the_pages_hold_on_a_phone_and_on_a_desk(desk: Desk) -> None:
    for size in (PHONE, None):
        with chromium(desk.gateway, size=size) as tab:
            tab.sign_in(desk.keys["root"])
            tab.open(RULES)
            assert not tab.scrolls_sideways()
            tab.page.get_by_role("link", name="Add a rule").click()
            tab.page.fill("input[name=name]", "strict")
            tab.page.get_by_role("button", name="Try").click()
            tab.page.get_by_role("heading", name="On synthetic requests").wait_for()
            assert not tab.scrolls_sideways()
