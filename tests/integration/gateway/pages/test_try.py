"""The page that tries an endpoint: one test call a try, its answer, the last tries, and code that answers the same."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from html import unescape

import pytest

from modelops_pipelines.core.release.desired_state import STOPPED
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes import model_kinds as kinds
from tests.support.browsing import DESK, PHONE, Browser, browser_of, chromium
from tests.support.captured_log import log_of
from tests.support.command_line import environment_of, modelops, refused
from tests.support.gateway import running_gateway
from tests.support.programs import needs
from tests.support.project import Project
from tests.support.tried_endpoints import FIELDS, ROWS, WORTH, Bench, running_bench

TRY = "/endpoints/typed/try"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running_bench(tmp_path_factory.mktemp("try")) as made:
        yield made


@pytest.fixture
def browser(bench: Bench) -> Iterator[Browser]:
    with browser_of(bench.gateway) as made:
        made.sign_in(bench.keys["ann"].text)
        yield made


def _filled_in(page: str) -> dict[str, str]:
    """Return the texts of the form's fields, as a browser would send them."""
    inputs = re.findall(r'<input id="(x\d+)"[^>]* value="([^"]*)"', page)
    areas = re.findall(r'<textarea id="(x\d+|body)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    selects = re.findall(r'<select id="(x\d+)".*?value="(\w*)" selected', page, re.DOTALL)
    return {name: unescape(text) for name, text in (*inputs, *areas, *selects)}


def _code(page: str) -> list[str]:
    return [unescape(code) for code in re.findall(r'<pre id="code-\d"[^>]*>(.*?)</pre>', page, re.DOTALL)]


def test_the_form_has_a_field_for_each_input_with_the_example_in_it(browser: Browser) -> None:
    page = browser.open(TRY).text
    assert FIELDS == _filled_in(page)
    assert ["number", "number", "datetime-local"] == re.findall(r'id="x\d" name="x\d" type="([a-z-]+)"', page)
    assert 'step="any"' in page
    assert "Next example row (1 of 2)" in browser.text
    following = _filled_in(browser.open(f"{TRY}?row=1").text)
    assert {
        "x0": "-1e-07",
        "x1": "9007199254740993",
        "x2": "false",
        "x3": "c\nd",
        "x4": "2025-06-01T00:00:00.250",
    } == following
    assert FIELDS == _filled_in(browser.open(f"{TRY}?row=2").text)


def test_a_try_is_one_test_call_in_the_log_with_the_very_row(browser: Browser, bench: Bench) -> None:
    before, live = len(bench.tests_in_log("typed")), bench.live("typed")
    browser.open(TRY)
    answer = browser.send(TRY, **FIELDS)
    assert 200 == answer.status_code
    assert f"prediction {WORTH}" in browser.text
    assert "version 1 champion" in browser.text
    assert FIELDS == _filled_in(answer.text)
    [*_, row] = sorted(bench.tests_in_log("typed"), key=lambda one: one["event_time"])
    assert before + 1 == len(bench.tests_in_log("typed"))
    assert (WORTH, 200, "test", bench.keys["ann"].key.key_id) == (
        float(row["prediction"]),
        row["status"],
        row["source"],
        row["key_id"],
    )
    assert [41.5, 3, True, "a 'b'"] == [row[name] for name in ("age", "visits", "member", "note")]
    assert row["request_id"] in browser.text
    assert live == bench.live("typed")


def test_integers_and_lines_of_text_arrive_as_they_are(browser: Browser, bench: Bench) -> None:
    browser.open(f"{TRY}?row=1")
    browser.send(TRY, **{**_filled_in(browser.shown.text), "x3": "c\r\nd"})  # type: ignore[union-attr] # a page is shown
    newest = max(bench.tests_in_log("typed"), key=lambda one: one["event_time"])
    assert [2**53 + 1, "c\nd"] == [newest["visits"], newest["note"]]


@pytest.mark.parametrize(
    ("field", "given", "said"),
    [
        ("x0", "abc", "Feature 'age' in row 0 is 'abc', not a number"),
        ("x1", "1.5", "Feature 'visits' in row 0 is '1.5', not an integer"),
        ("x1", "", "Feature 'visits' in row 0 is null"),
        ("x2", "yes", "Feature 'member' in row 0 is 'yes', not true or false"),
        ("x4", "soon", "Feature 'since' in row 0 is 'soon', not a time"),
    ],
)
def test_what_the_api_refuses_is_said_as_the_api_says_it_and_what_was_typed_stays(
    browser: Browser, bench: Bench, field: str, given: str, said: str
) -> None:
    browser.open(TRY)
    page = browser.send(TRY, **{**FIELDS, field: given}).text
    assert said in browser.text
    assert "status 422 input" in browser.text
    assert given == unescape(_filled_in(page).get(field, given))
    newest = max(bench.tests_in_log("typed"), key=lambda one: one["received_at"])
    assert (422, "input") == (newest["status"], newest["error_code"])


def test_many_rows_go_as_json_in_the_api_s_own_form(browser: Browser, bench: Bench) -> None:
    body = _filled_in(browser.open(f"{TRY}?as=json").text)["body"]
    assert {"dataframe_records": [{**ROWS[0], "since": FIELDS["x4"]}]} == json.loads(body)
    browser.send(TRY, **{"as": "json", "body": json.dumps({"dataframe_records": ROWS * 15})})
    assert "The first 20 of 30 rows" in browser.text
    rows = bench.tests_in_log("typed")
    newest = max(rows, key=lambda one: one["event_time"])["request_id"]
    assert 30 == len([row for row in rows if row["request_id"] == newest])
    assert f"{WORTH} none 30 1, champion" in browser.text
    for broken, said in (("{", "The body is not valid JSON"), ("[]", "The body is not a JSON object")):
        page = browser.send(TRY, **{"as": "json", "body": broken}).text
        assert said in browser.text
        assert broken == _filled_in(page)["body"]
        assert [] == _code(page)


def test_the_last_ten_tries_are_the_person_s_own_whether_ingested_or_not(browser: Browser, bench: Bench) -> None:
    browser.open(TRY)
    for place in range(11):
        browser.send(TRY, **{**FIELDS, "x1": str(place)})
        if place == 5:
            log_of(bench.project, bench.specs["typed"])
    shown = re.findall(r'again=([a-z2-7]{40})"', browser.open(TRY).text)
    assert 10 == len(shown) == len(set(shown))
    again = _filled_in(browser.open(f"{TRY}?again={shown[0]}").text)
    assert {**FIELDS, "x1": "10"} == again
    key = {"x-api-key": bench.keys["ann"].text, "x-test-call": "true"}
    bench.gateway.predict([ROWS[0] | {"visits": 77}], "typed", **key)
    assert "77" == _filled_in(browser.open(f"{TRY}?again={_newest(browser)}").text)["x1"]
    with browser_of(bench.gateway) as other:
        other.sign_in(bench.keys["bob"].text)
        other.open(TRY)
        assert "No try in the last 7 days" in other.text
        assert 404 == other.open(f"{TRY}?again={shown[0]}").status_code
        assert "no row of this try of yours" in other.text


def _newest(browser: Browser) -> str:
    return re.findall(r'again=([a-z2-7]{40})"', browser.open(TRY).text)[0]


def test_inputs_without_names_are_fields_by_their_place(browser: Browser, bench: Bench) -> None:
    path = "/endpoints/matrix/try"
    assert {"x0": "1.5", "x1": "2.0"} == _filled_in(browser.open(path).text)
    assert 3 == len(_code(browser.send(path, x0="1.5", x1="7").text))
    assert "prediction 8.5" in browser.text
    body = _filled_in(browser.open(f"{path}?as=json&row=1").text)["body"]
    assert {"inputs": [[3.0, 4.0]]} == json.loads(body)
    browser.send(path, **{"as": "json", "body": body})
    assert "prediction 7" in browser.text
    for row, values in ((0, [1.5, 2.0]), (1, [3.0, 4.0]), (2, [1.5, 2.0])):
        key = {"x-api-key": bench.keys["ann"].text}
        example = bench.gateway.client.get(f"/endpoints/matrix/example?row={row}", headers=key)
        assert (200, {"inputs": [values]}) == (example.status_code, example.json())


def test_a_person_without_a_key_has_tries_of_their_own(bench: Bench) -> None:
    sessions, now = bench.project.stores.sessions, bench.project.stores.now()
    sessions.follow_mapping("one", now)
    for name, tries in (("eve@example.com", 1), ("eva@example.com", 2)):
        value, _ = sessions.begin_by_provider(name, ("predict",), None, now, mapping="one")
        with browser_of(bench.gateway) as browser:
            browser.client.cookies.set("modelops_session", value)
            assert "No try in the last 7 days" in browser.open(TRY).text
            for _ in range(tries):
                browser.send(TRY, **FIELDS)
            shown = re.findall(r'again=([a-z2-7]{40})"', browser.open(TRY).text)
            assert f"test calls of {name}" in browser.text
        rows = [row for row in bench.tests_in_log("typed") if row["user_id"] == name]
        assert {(None, one) for one in shown} == {(row["key_id"], row["request_id"]) for row in rows}
        assert tries == len(rows)


def test_without_keys_the_tries_are_those_without_a_key(trained: Project) -> None:
    deploy(trained.stores, trained.spec, "1", actor="test", reason="test", force=True)
    with running_gateway(trained) as gateway, browser_of(gateway) as browser:
        path = "/endpoints/cancer/try"
        fields = _filled_in(browser.open(path).text)
        browser.send(path, **fields)
        assert "status 200 answered" in browser.text
        assert "test calls without a key" in browser.text
        assert 1 == len(re.findall(r"again=[a-z2-7]{40}", browser.open(path).text))
        assert not any("API_KEY" in code for code in _code(browser.open(path).text))


def test_it_is_limited_as_the_key_is(bench: Bench) -> None:
    with browser_of(bench.gateway) as browser:
        browser.sign_in(bench.keys["limited"].text)
        key = {"x-api-key": bench.keys["limited"].text}
        assert 200 == bench.gateway.predict([ROWS[0]], "limited", **key).status_code
        browser.open("/endpoints/limited/try")
        for _ in range(2):
            browser.send("/endpoints/limited/try", **FIELDS)
            assert "status 200 answered" in browser.text
        browser.send("/endpoints/limited/try", **FIELDS)
        assert "status 429 limit" in browser.text
        assert 429 == bench.gateway.predict([ROWS[0]], "limited", **key).status_code


def test_an_explanation_and_the_cache_are_shown(browser: Browser) -> None:
    path = "/endpoints/linear/try"
    fields = _filled_in(browser.open(path).text)
    explained = browser.send(path, **fields, explain="yes").text
    assert len(kinds.NUMBERS) == explained.count('<svg class="bar ')
    assert "log-odds" in browser.text
    assert re.search(r"in the log, explaining [0-9.]+ ms", browser.text)
    assert "explain=true" in _code(explained)[0]
    for found in ("cache miss", "cache hit"):
        browser.send(path, **{**fields, "x0": "7.25"})
        assert found in browser.text
    browser.open(TRY)
    assert "Explain the prediction" not in browser.text
    browser.send(TRY, **FIELDS, explain="yes")
    assert "status 200 answered" in browser.text


def test_the_commands_explain_too_and_say_where_our_client_cannot_send_the_row(bench: Bench) -> None:
    key = bench.keys["ann"].text
    done = modelops(bench.project, "try", "linear", "--explain", MODELOPS_API_KEY=key)
    assert 0 == done.code
    assert re.search(r"^Row 0: base -?[0-9.]+, [a-z]+ [+-][0-9.]+, ", done.err)
    assert "explanations" in modelops(bench.project, "try", "linear", "--explain", "--json", MODELOPS_API_KEY=key).json
    refused(modelops(bench.project, "snippet", "matrix", "--client"), "have no names, which our own client needs")


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("fraud", "is served elsewhere"),
        ("idle", "serves no version yet"),
        ("stopped", "is stopped"),
    ],
)
def test_where_there_is_nothing_to_try_the_page_says_why(
    browser: Browser, bench: Bench, endpoint: str, said: str
) -> None:
    assert 200 == browser.open(f"/endpoints/{endpoint}/try").status_code
    assert said in browser.text
    assert "Predict" not in browser.text
    assert browser.send(f"/endpoints/{endpoint}/try", x0="1").status_code in {409, 503}
    assert said in browser.text
    assert endpoint != "stopped" or STOPPED == bench.project.stores.deployments.desired("stopped").status


def test_who_may_not_predict_sees_no_tab_and_no_page(bench: Bench) -> None:
    with browser_of(bench.gateway) as browser:
        browser.sign_in(bench.keys["reader"].text)
        assert "/typed/try" not in browser.open("/endpoints/typed").text
        assert 403 == browser.open(TRY).status_code
        browser.open("/")
        assert 403 == browser.send(TRY, **FIELDS).status_code
        browser.sign_in(bench.keys["ann"].text)
        assert "/typed/try" in browser.open("/endpoints/typed").text


def test_no_key_is_in_the_code(browser: Browser, bench: Bench) -> None:
    page = browser.open(TRY).text
    assert 4 == len(_code(page))
    assert bench.keys["ann"].text not in page
    assert all("MODELOPS_API_KEY" in code for code in _code(page)[:3])


@needs("node")
@needs("curl")
def test_the_code_answers_what_the_page_answers(browser: Browser, bench: Bench) -> None:
    browser.open(TRY)
    note = 'it\'s "$HOME" `id` \\ </script> é\n%s'
    page = browser.send(TRY, **{**FIELDS, "x3": note}).text
    worth = WORTH - len("a 'b'") + len(note)
    assert f"prediction {worth}" in browser.text
    for code in _code(page):
        assert [worth] == _predictions(_run(code, bench)), code


def _run(code: str, bench: Bench) -> str:
    is_python = code.startswith(("import", "from"))
    command = (
        [sys.executable, "-c", code]
        if is_python
        else ["bash", "-euc", code]
        if code.startswith("curl")
        else ["node", "--input-type=module", "-e", code]
    )
    key = {"MODELOPS_API_KEY": bench.keys["bob"].text}
    done = subprocess.run(command, env=environment_of(bench.project) | key, capture_output=True, text=True, timeout=60)
    assert (0, "") == (done.returncode, done.stderr), done
    return done.stdout


def _predictions(said: str) -> list[float]:
    found = re.search(r"predictions['\"]?[:=] ?[\[(]([0-9.]+)", said)
    assert found is not None, said
    return [float(found[1])]


@needs("chromium")
@pytest.mark.parametrize("size", [PHONE, DESK])
def test_in_a_browser(bench: Bench, size: Mapping[str, int]) -> None:
    with chromium(bench.gateway, size=dict(size)) as tab:
        tab.sign_in(bench.keys["ann"].text)
        tab.open("/endpoints/linear/try")
        tab.page.check("input[name=explain]")
        tab.page.get_by_role("button", name="Predict").click()
        tab.page.wait_for_selector("svg.bar")
        assert not tab.scrolls_sideways()
        assert [] == tab.serious()
        tab.open(TRY)
        tab.page.fill("#x3", "two\nlines")
        tab.page.select_option("#x2", "false")
        tab.page.get_by_role("button", name="Predict").click()
        tab.page.get_by_text(str(41.5 + 3 + len("two\nlines"))).first.wait_for()
        assert "2026-01-31T12:00" == tab.page.input_value("#x4")
        assert not tab.scrolls_sideways()
        assert [] == tab.serious()
        tab.open(f"{TRY}?as=json")
        assert not tab.scrolls_sideways()
        assert [] == tab.serious()


@needs("chromium")
def test_it_works_without_scripts(bench: Bench) -> None:
    with chromium(bench.gateway, scripts=False) as tab:
        tab.open("/sign-in")
        tab.page.fill("#key", bench.keys["ann"].text)
        tab.page.click("main button")
        tab.open(TRY)
        tab.page.get_by_role("button", name="Predict").click()
        tab.page.get_by_text(str(WORTH)).first.wait_for()
