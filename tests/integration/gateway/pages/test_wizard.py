"""The wizard: a new person onboards a model, its file is the command's, and nothing sent by hand gets around a check."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.operations.endpoints.load import read_endpoint
from tests.support.browsing import PHONE, UI, Browser, browser_of, chromium
from tests.support.command_line import modelops
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.hostile_texts import HOSTILE
from tests.support.programs import needs
from tests.support.project import CANCER_YAML, Project, make_project, train_first
from tests.support.waiting import wait_until

LOANS_YAML = CANCER_YAML.replace("cancer", "loans").replace("tumours", "risk_scores") + '  owners: ["team:risk"]\n'
CHURN = {"model_name": "free_model", "version": "1", "name": "churn", "task": "binary_classification", "label": "left"}
REFUSED = {403, 404, 409, 422}
_ACTION, _FIELD = re.compile(r'<form[^>]*action="(/ui/[^"]+)"(.*?)</form>', re.DOTALL), re.compile(r"<input[^>]*>")
_CALL = re.compile(r'<pre id="call"[^>]*>(.*?)</pre>', re.DOTALL)


@dataclass
class Office:
    """A gateway with keys, a registry of three models, and two endpoints: nobody's, and team risk's."""

    gateway: RunningGateway
    project: Project
    keys: dict[str, str]

    @property
    def files(self) -> dict[str, bytes]:
        """The endpoints' files."""
        return {path.name: path.read_bytes() for path in (self.project.folder / "endpoints").iterdir()}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    project = make_project(tmp_path_factory.mktemp("wizard") / "project")
    (project.folder / "endpoints" / "loans.yaml").write_text(LOANS_YAML)
    trained = Path(train_first(project).artifact_uri)
    for name in ("free_model", "risk_scores"):
        project.stores.registry.register_folder(name, trained)
    store, now = project.stores.keys, project.stores.now()
    wanted = {
        "root": grant("root", ["admin"]),
        "ann": grant("ann", ["operate"]),
        "rita": grant("rita", ["read"]),
        "lead": grant("lead", ["operate"], team="risk"),
        "fred": grant("fred", ["operate"], team="fraud"),
        "part": grant("part", ["operate"], endpoints=["cancer"]),
    }
    keys = {name: store.create(one, now=now, actor="test").text for name, one in wanted.items()}
    with running_gateway(project, ready=False) as gateway:
        yield Office(gateway, project, keys)
    project.stores.database.close()


@pytest.fixture
def browser(office: Office) -> Iterator[Browser]:
    """A browser in which ann has signed in, who operates everything."""
    with browser_of(office.gateway) as made:
        made.sign_in(office.keys["ann"])
        yield made


@pytest.fixture(autouse=True)
def files_of_before(office: Office) -> Iterator[None]:
    """Take away what a test has written."""
    before = set(office.files)
    yield
    for name in set(office.files) - before:
        (office.project.folder / "endpoints" / name).unlink()


def follow(browser: Browser, words: str) -> None:
    """Follow the first link with these words."""
    assert browser.shown is not None
    found = re.search(rf'<a [^>]*href="([^"]+)"[^>]*>{re.escape(words)}<', browser.shown.text)
    assert found is not None, (words, browser.text)
    browser.open(unescape(found[1]).removeprefix(UI))


def submit(browser: Browser, path: str, **filled: str) -> httpx.Response:
    """Send the form of the page that leads to this path, with its hidden fields, and what a person fills in."""
    assert browser.shown is not None
    forms = {unescape(action): inner for action, inner in _ACTION.findall(browser.shown.text)}
    hidden = (dict(re.findall(r'(\w+)="([^"]*)"', one)) for one in _FIELD.findall(forms[f"{UI}{path}"]))
    given = {one["name"]: unescape(one.get("value", "")) for one in hidden if one.get("type") == "hidden"}
    return browser.send(path, **{name: value for name, value in given.items() if name != "token"}, **filled)


def downloaded(browser: Browser, fields: Mapping[str, str]) -> httpx.Response:
    browser.open("/new")
    return browser.send("/new/download", follow=False, **fields)


def call_on(browser: Browser, key: str) -> str:
    """Run the call that the page shows, and return what it printed."""
    assert browser.shown is not None
    [call] = _CALL.findall(browser.shown.text)
    environment = {"MODELOPS_API_KEY": key, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", unescape(call)], env=environment, capture_output=True, text=True, timeout=60)
    return done.stdout


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
    written = browser.shown
    submit(browser, "/endpoints/onboarded/release/deploy")
    assert "onboarded" not in {one.endpoint for one in office.project.stores.deployments.all_desired()}
    submit(browser, "/endpoints/onboarded/release/deploy")
    assert "/ui/endpoints/onboarded/release" == (browser.shown.url.path if browser.shown else "")
    assert "version 1" in browser.text
    assert "1" == office.project.stores.deployments.desired("onboarded").champion
    browser.shown = written
    assert '"predictions"' in call_on(browser, office.keys["root"])


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


def test_a_version_that_cannot_be_deployed_is_said_before_the_file_is_written(browser: Browser) -> None:
    browser.open("/new")
    browser.send("/new/review", **(CHURN | {"version": "77"}))
    assert "Version 77 cannot be deployed as it is: The registry has no version '77'" in browser.text
    assert 422 == browser.send("/new/review", **(CHURN | {"version": "1; x"})).status_code


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
