"""A kept answer is the answer to the bit, and one row of the log as any other; what is kept, and for how long."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.operations.capture.ingest import ingest
from tests.support.captured_log import log_of
from tests.support.gateway import running_gateway
from tests.support.kept_answers import ROWS, Caching, make_caching
from tests.support.project import Project, cancer_frame
from tests.support.request_forms import CSV, JSON, comma_separated, inputs, instances, records, split, tensors
from tests.support.tables import table_rows
from tests.support.waiting import wait_until

FRAME = cancer_frame().drop(columns=["benign"])
FORMS = (records, split, inputs, instances, comma_separated, tensors)
TTL = 2
ENDPOINTS = {
    "plain": "",
    "kept": "  cache: {ttl: 1h}\n  explain: {sample: 0}\n  capture: {redact: [session_id]}\n",
    "brief": f"  cache: {{ttl: {TTL}s}}\n",
    "small": "  cache: {ttl: 1h, entries: 2}\n",
    "limited": "  cache: {ttl: 1h}\n  limits: {per_user: 3/hour}\n",
}


@pytest.fixture(scope="module")
def world(trained_world: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caching]:
    project, specs = make_caching(trained_world, tmp_path_factory.mktemp("cache") / "project", ENDPOINTS)
    with running_gateway(project) as gateway:
        yield Caching(project, gateway, specs)


def test_an_equal_request_gets_the_same_answer_and_is_one_row_of_the_log(world: Caching) -> None:
    callers = [{"X-User-Id": name, "X-Session-Id": "s", "X-Client-Request-Id": f"c-{name}"} for name in ("ann", "bob")]
    answers = [world.ask("kept", 0, 3, **caller) for caller in callers]
    log = log_of(world.project, world.specs["kept"])
    first, second = ([row for row in log if row["request_id"] == one["request_id"]] for one in answers)
    assert answers[0]["request_id"] != answers[1]["request_id"]
    assert answers[0] | {"request_id": None} == answers[1] | {"request_id": None}
    assert [3, 3] == [len(first), len(second)]
    assert {(False, "ann", "c-ann", None)} == {_said(row) for row in first}
    assert {(True, "bob", "c-bob", None)} == {_said(row) for row in second}
    same = [
        *FRAME.columns,
        "prediction",
        "score",
        "row_index",
        "model_version",
        "variant",
        "status",
        "source",
        "sampled",
    ]
    assert [[row[name] for name in same] for row in first] == [[row[name] for name in same] for row in second]
    assert ROWS[:3] == [{name: row[name] for name in FRAME.columns} for row in second]
    assert all(row["latency_ms"] > 0 for row in second)


def _said(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["cache_hit"], row["user_id"], row["client_request_id"], row["session_id"]


def test_the_form_of_a_body_makes_no_other_request_and_every_form_its_own_answer(world: Caching) -> None:
    found: dict[str, list[Any]] = {"plain": [], "kept": []}
    for form in FORMS:
        for endpoint, answers in found.items():
            address, kind, content = form(FRAME.iloc[20:24])
            url = f"/endpoints/{endpoint}/{address}"
            response = world.gateway.client.post(url, content=content, headers={"content-type": kind})
            body = response.json()
            request_id = body["request_id"] if address != "infer" else body["id"]
            answers.append((world.is_hit(endpoint, request_id), _without_ids(response.text, request_id, endpoint)))
    assert [False] * len(FORMS) == [hit for hit, _ in found["plain"]]
    assert [False] + [True] * (len(FORMS) - 1) == [hit for hit, _ in found["kept"]]
    assert [body for _, body in found["plain"]] == [body for _, body in found["kept"]]
    assert {JSON, CSV} == {form(FRAME.head(1))[1] for form in FORMS}


def _without_ids(text: str, request_id: str, endpoint: str) -> str:
    return text.replace(request_id, "ID").replace(f'"model_name":"{endpoint}"', '"model_name":""')


def test_without_the_key_no_answer_is_kept(world: Caching) -> None:
    assert [False] * 3 == world.hits("plain", 30, 30, 30)
    assert 0 == _live(world, "plain")["cache_hits"]


def test_other_rows_other_orders_and_parts_are_other_requests(world: Caching) -> None:
    whole = world.ask("kept", 40, 2)["request_id"]
    part, turned = (
        world.ask("kept", 40)["request_id"],
        world.gateway.predict(ROWS[41:39:-1], "kept").json()["request_id"],
    )
    again = world.ask("kept", 40, 2)["request_id"]
    assert [False, False, False, True] == [world.is_hit("kept", one) for one in (whole, part, turned, again)]


def test_an_answer_is_kept_for_its_time(world: Caching) -> None:
    assert [False] == world.hits("brief", 50)
    wait_until(lambda: world.hits("brief", 50) == [True], 20)
    time.sleep(TTL)
    assert [False] == world.hits("brief", 50)


def test_the_answers_used_last_are_kept(world: Caching) -> None:
    assert [False, False, True, False, True, False] == world.hits("small", 60, 61, 60, 62, 60, 61)


def test_live_metrics_count_the_hits_among_the_requests(world: Caching) -> None:
    before = _live(world, "kept")
    world.hits("kept", 70, 70, 70, 71)
    world.gateway.predict([], "kept")
    after = _live(world, "kept")
    counts = ("requests", "predictions", "client_errors", "cache_hits")
    assert [5, 4, 1, 2] == [after[name] - before[name] for name in counts]


def _live(world: Caching, endpoint: str) -> dict[str, Any]:
    found: dict[str, Any] = world.gateway.client.get(f"/endpoints/{endpoint}/metrics?window=1h").json()
    return found


def test_hits_count_towards_the_rate_limits(world: Caching) -> None:
    asked = [world.gateway.predict(ROWS[80:81], "limited", **{"X-User-Id": "eve"}) for _ in range(5)]
    assert [200] * 3 + [429] * 2 == [one.status_code for one in asked]
    assert [False, True, True] == [world.is_hit("limited", one.json()["request_id"]) for one in asked[:3]]


def test_failed_requests_are_not_kept(world: Caching) -> None:
    nothing = [dict.fromkeys(ROWS[0])]
    failed = [world.gateway.predict(nothing, "kept") for _ in range(3)]
    refused = [world.gateway.predict([{"mean_radius": 1.0}], "kept") for _ in range(2)]
    assert [500] * 3 + [422] * 2 == [one.status_code for one in (*failed, *refused)]
    numbers = [one.json()["error"]["request_id"] for one in (*failed, *refused)]
    assert [False] * 5 == [world.is_hit("kept", number) for number in numbers]


def test_an_explained_request_uses_no_kept_answer_and_keeps_none(world: Caching) -> None:
    def explained() -> str:
        url = "/endpoints/kept/invocations?explain=true"
        answer = world.gateway.client.post(url, json={"dataframe_records": ROWS[90:91]})
        assert 1 == len(answer.json()["explanations"]), answer.text
        return str(answer.json()["request_id"])

    asked = [explained(), explained(), *(world.ask("kept", 90)["request_id"] for _ in range(2)), explained()]
    assert [False, False, False, True, False] == [world.is_hit("kept", one) for one in asked]


def test_a_test_call_and_a_replay_are_told_from_live_hits(world: Caching) -> None:
    world.ask("kept", 100)
    headers = [{"X-Test-Call": "1"}, {"X-Event-Time": "2025-06-01T12:00:00Z"}, {}]
    rows = [world.logged("kept", world.ask("kept", 100, **one)["request_id"])[0] for one in headers]
    assert [("test", True), ("replay", True), ("live", True)] == [(row["source"], row["cache_hit"]) for row in rows]


def test_hits_that_were_acknowledged_are_in_the_log_once_after_a_kill(trained_world: Project, tmp_path: Path) -> None:
    project, specs = make_caching(trained_world, tmp_path / "project", {"kept": ENDPOINTS["kept"]})
    with running_gateway(project) as gateway:
        world = Caching(project, gateway, specs)
        numbers = [world.ask("kept", 0)["request_id"] for _ in range(40)]
        gateway.kill()
    own = replace(project, spec=specs["kept"])
    wait_until(lambda: ingest(project.stores, own.spec, "predictions") and _is_taken_in(project), 30)
    log = table_rows(own, "inference_log")
    assert sorted(numbers) == sorted(row["request_id"] for row in log)
    assert 39 == sum(row["cache_hit"] for row in log)


def _is_taken_in(project: Project) -> bool:
    return not list(project.stores.settings.spool.glob("*/*/*/*"))
