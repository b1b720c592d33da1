"""The wizard: a new person onboards a model, its file is the command's, and a fault is said beside its field."""

import re
from html import unescape
from typing import Any

import pytest

from modelops_pipelines.operations.endpoints.load import read_endpoint
from tests.integration.gateway.pages.wizard.conftest import CHURN, Office, call_on, downloaded, follow, submit
from tests.support.browsing import PHONE, UI, Browser, browser_of, chromium
from tests.support.command_line import modelops
from tests.support.programs import needs
from tests.support.waiting import wait_until


@needs("curl")
def test_a_new_person_onboards_a_model_and_sees_its_first_prediction(browser: Browser, office: Office) -> None:
    browser.open("/")
    follow(browser, "New endpoint")
    browser.open("/new/model?served=here")
    follow(browser, "free_model")
    follow(browser, "Use version 1")
    submit(
        browser, "/new/review", name="onboarded", task="binary_classification", label="left", owners="ann@example.org"
    )
    assert "endpoints/onboarded.yaml is written into the project" in browser.text
    assert "would" in browser.text.lower()
    assert "onboarded.yaml" not in office.files
    submit(browser, "/new/write")
    assert "endpoints/onboarded.yaml is written: endpoint onboarded." in browser.text
    submit(browser, "/endpoints/onboarded/release/deploy")
    assert "onboarded" not in {one.endpoint for one in office.project.stores.deployments.all_desired()}
    submit(browser, "/endpoints/onboarded/release/deploy")
    assert "/ui/endpoints/onboarded/release" == (browser.shown.url.path if browser.shown else "")
    assert "version 1" in browser.text
    assert "1" == office.project.stores.deployments.desired("onboarded").champion
    follow(browser, "How it is called")
    assert '"predictions"' in call_on(browser, office.keys["root"])
    with browser_of(office.gateway) as admin:
        admin.sign_in(office.keys["root"])
        admin.open("/endpoints/onboarded/release")
        follow(admin, "How it is called")
        submit(admin, "/endpoints/onboarded/try")
        assert "The answer" in admin.text
        assert "version 1" in admin.text


def test_the_log_of_an_endpoint_that_others_serve_is_sent_as_the_last_page_says(
    browser: Browser, office: Office
) -> None:
    browser.open("/new/model?served=elsewhere")
    assert "Others make its predictions" in browser.text
    submit(browser, "/new/review", name="vendor", task="multiclass", label="kind", classes="b's, <c>")
    submit(browser, "/new/write")
    spec = read_endpoint(office.project.folder / "endpoints" / "vendor.yaml")
    assert (True, ("b's", "<c>")) == (spec.is_elsewhere, spec.classes)
    assert "vendor-" not in browser.text
    answer = call_on(browser, office.keys["root"])
    assert '"error"' not in answer, answer
    assert '"prediction_ids"' in answer, answer


CHOICES: list[tuple[dict[str, str], list[str]]] = [
    ({}, []),
    (
        {"owners": "team:risk, ann@example.org", "description": "who: leaves"},
        ["--owner", "team:risk", "--owner", "ann@example.org", "--description", "who: leaves"],
    ),
    ({"label_horizon": "7d", "window": "day"}, ["--label-horizon", "7d", "--window", "day"]),
    (
        {"classes": "stayed, left", "positive_label": "left"},
        ["--class", "stayed", "--class", "left", "--positive-label", "left"],
    ),
    ({"error_rate": "0.05", "latency_p95_ms": "500"}, ["--error-rate", "0.05", "--latency-p95-ms", "500"]),
    ({"task": "regression", "latency_p95_ms": "2.5e3"}, ["--task", "regression", "--latency-p95-ms", "2500"]),
]


@pytest.mark.parametrize(("chosen", "options"), CHOICES)
def test_the_file_is_the_command_s_and_the_route_s_byte_for_byte(
    browser: Browser, office: Office, chosen: dict[str, str], options: list[str]
) -> None:
    page = downloaded(browser, CHURN | chosen)
    usual = ["--model", "free_model", "--task", "binary_classification", "--label", "left"]
    command = modelops(office.project, "endpoint", "add", "churn", *usual, *options, "--dry-run")
    assert page.text == command.out, command.err
    lists: dict[str, Any] = {name: chosen[name].split(", ") for name in ("owners", "classes") if name in chosen}
    numbers = {name: float(chosen[name]) for name in ("error_rate", "latency_p95_ms") if name in chosen}
    body = {**{name: value for name, value in (CHURN | chosen).items() if name != "version"}, **lists, **numbers}
    key = {"X-API-Key": office.keys["ann"]}
    answer = office.gateway.client.post("/endpoints", json={**body, "dry_run": True}, headers=key)
    assert page.text == answer.json()["yaml"]
    assert "churn.yaml" not in office.files
    browser.send("/new/write", **(CHURN | chosen))
    assert page.content == office.files["churn.yaml"]


def test_a_download_is_a_file_to_keep_and_nothing_is_written(browser: Browser, office: Office) -> None:
    before = office.files
    page = downloaded(browser, CHURN)
    assert (200, 'attachment; filename="churn.yaml"') == (page.status_code, page.headers["content-disposition"])
    assert ("nosniff", "no-store") == (page.headers["x-content-type-options"], page.headers["cache-control"])
    assert before == office.files


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "My Churn", "cannot be used as asset key, folder and URL. Use 'my_churn'"),
        ("name", "cancer", "There is an endpoint 'cancer' already. Choose another name"),
        ("name", "endpoint", "There is an endpoint 'endpoint' already"),
        ("task", "magic", "'magic' is not"),
        ("label", "prediction_id", "is the name of a system column"),
        ("owners", "somebody", "is not a valid owner"),
        ("label_horizon", "soon", "must be a duration"),
        ("window", "month", "'month' is not"),
        ("classes", "a, b, c", "lists 3 classes"),
        ("error_rate", "often", "must be a finite number"),
        ("error_rate", "7", "error_rate"),
        ("latency_p95_ms", "-1", "above"),
    ],
)
def test_a_fault_is_said_beside_its_field_at_once_and_at_the_review(
    browser: Browser, office: Office, field: str, value: str, said: str
) -> None:
    browser.open("/new/configure?model_name=free_model&version=1")
    fields = CHURN | {field: value}
    live = browser.client.post(
        f"{UI}/new/configure", data={"token": browser.token, **fields}, headers={"HX-Request": "true"}
    )
    at_review = browser.send("/new/review", **fields)
    assert (200, 422) == (live.status_code, at_review.status_code)
    for shown in (live.text, at_review.text):
        [fault] = re.findall(rf'id="{field}-fault"[^>]*>(.*?)</p>', shown)
        assert said in unescape(fault)
        assert 1 == shown.count('aria-invalid="true"')
    assert "<html" not in live.text
    assert {"endpoint.yaml", "loans.yaml"} == set(office.files)


def test_what_is_not_filled_in_yet_is_no_fault_and_the_yaml_is_beside(browser: Browser) -> None:
    browser.open("/new/configure?model_name=free_model&version=1")
    assert 'aria-invalid="true"' not in (browser.shown.text if browser.shown else "")
    browser.send("/new/configure", model_name="free_model", version="1", name="churn")
    assert 'aria-invalid="true"' not in (browser.shown.text if browser.shown else "")
    assert "attributes: name: churn model_name: free_model" in browser.text
    browser.send("/new/review", model_name="free_model", version="1", name="churn")
    assert "label is missing. Add 'label'" in browser.text


def test_a_version_that_cannot_be_deployed_is_said_before_the_file_is_written(browser: Browser) -> None:
    browser.open("/new")
    browser.send("/new/review", **(CHURN | {"version": "77"}))
    assert "Version 77 cannot be deployed as it is: The registry has no version '77'" in browser.text
    assert 422 == browser.send("/new/review", **(CHURN | {"version": "1; x"})).status_code


@needs("chromium")
def test_the_steps_hold_on_a_phone_and_on_a_desk_and_say_a_fault_while_one_types(office: Office) -> None:
    for size in (PHONE, None):
        with chromium(office.gateway, size=size) as tab:
            tab.sign_in(office.keys["ann"])
            page = tab.page
            page.get_by_role("link", name="New endpoint").click()
            assert ([], False) == (tab.serious(), tab.scrolls_sideways())
            page.get_by_role("button", name="Next").click()
            page.get_by_role("link", name="free_model").click()
            assert ([], False) == (tab.serious(), tab.scrolls_sideways())
            page.get_by_role("link", name="Use version 1").click()
            page.locator("#name").press_sequentially("My Churn")
            page.locator("#label").press_sequentially("left")
            page.locator("#name-fault", has_text="Use 'my_churn'").wait_for()
            assert "left" == page.input_value("#label")
            assert ([], False) == (tab.serious(), tab.scrolls_sideways())
            page.locator("#name").clear()
            page.locator("#name").press_sequentially("churn")
            page.select_option("#task", "binary_classification")
            page.locator("#yaml", has_text="name: churn").wait_for()
            page.locator("#yaml", has_text="task: binary_classification").wait_for()
            assert 0 == page.locator("[aria-invalid=true]").count()
            page.get_by_role("button", name="Review").click()
            page.get_by_role("button", name="Write it into the project").wait_for()
            assert ([], False) == (tab.serious(), tab.scrolls_sideways())
            with page.expect_download() as saved:
                page.get_by_role("button", name="Download it").click()
            assert "churn.yaml" == saved.value.suggested_filename
            page.get_by_role("button", name="Write it into the project").click()
            page.get_by_role("button", name="Deploy version 1").wait_for()
            assert ([], False) == (tab.serious(), tab.scrolls_sideways())
        (office.project.folder / "endpoints" / "churn.yaml").unlink()
        wait_until(lambda: 404 == _status(office, "/endpoints/churn"), 20)


def _status(office: Office, path: str) -> int:
    return office.gateway.client.get(path, headers={"X-API-Key": office.keys["root"]}).status_code
