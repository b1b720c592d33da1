"""What of a request the log keeps: all of it, a share, a mark for what is too large, and nothing of what is redacted."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow.parquet as pq
import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.explanations.explain_log import explain_log
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.spool.segments import read_lines, sealed_segments
from tests.fakes import model_kinds as kinds
from tests.support.captured_log import log_of
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project
from tests.support.request_forms import columns_of, rows_of
from tests.support.waiting import wait_until

CAPTURE, EXPLAIN = "  capture: {{{}}}\n", "  explain: {sample: 0}\n"
POLICIES = {
    "sampled": CAPTURE.format("sample: 0.3"),
    "brief": CAPTURE.format("max_kib: 1"),
    "discreet": CAPTURE.format("redact: [city, income, user_id, session_id, client_request_id]") + EXPLAIN,
    "open": "",
}
REQUESTS = 400
FEATURES = (*kinds.NUMBERS, "city")
CALLER = {"X-User-Id": "ann-4711", "X-Session-Id": "session-4712", "X-Client-Request-Id": "order-4713"}
SECRETS = (*CALLER.values(), "Atlantis-4714", "47154715.5", "body-4716")
SECRET_ROW = {**dict.fromkeys(kinds.NUMBERS, 1.0), "city": "Atlantis-4714", "income": 47154715.5}
PAST = {"X-Event-Time": "2025-06-01T12:00:00Z"}
SOURCES: list[tuple[str, dict[str, str]]] = [
    ("live", {}),
    ("test", {"X-Test-Call": "1"}),
    ("test", {"X-Test-Call": "TRUE"}),
    ("live", {"X-Test-Call": "0"}),
    ("replay", PAST),
    ("test", {**PAST, "X-Test-Call": "yes"}),
]


@dataclass
class Running:
    """A gateway with an endpoint for each policy."""

    gateway: RunningGateway
    project: Project
    specs: dict[str, EndpointSpec]

    def ask(self, endpoint: str, rows: list[dict[str, Any]], **headers: str) -> str:
        """Ask for predictions; return the request's id."""
        response = self.gateway.predict(rows, endpoint, **headers)
        assert response.status_code == 200, response.text
        return str(response.json()["request_id"])

    def logged(self, endpoint: str, number: str) -> list[dict[str, Any]]:
        return [row for row in log_of(self.project, self.specs[endpoint]) if row["request_id"] == number]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    project = kinds.empty_project(tmp_path_factory.mktemp("capture"))
    specs = {name: kinds.add_endpoint(project, name, policy, model="shared") for name, policy in POLICIES.items()}
    version = trainers.train_first(
        project.stores, specs["open"], kinds.training(kinds.mixed(100, seed=1)), kinds.tolerant
    )
    for spec in specs.values():
        deploy(project.stores, spec, version.version, actor="test", reason="test")
    with running_gateway(project) as gateway:
        yield Running(gateway, project, specs)


def _rows(count: int, seed: int = 2) -> list[dict[str, Any]]:
    return rows_of(kinds.mixed(count, seed))


def test_a_share_of_the_requests_keeps_its_features_and_every_one_keeps_its_row(running: Running) -> None:
    rows = _rows(2)
    with ThreadPoolExecutor(8) as callers:
        numbers = list(callers.map(lambda _: running.ask("sampled", rows), range(REQUESTS)))
    log = {row["prediction_id"]: row for row in log_of(running.project, running.specs["sampled"])}
    assert {f"{number}-{row}" for number in numbers for row in (0, 1)} <= set(log)
    for number in numbers:
        for index, sent in enumerate(rows):
            row = log[f"{number}-{index}"]
            sampled = _is_sampled(number, 0.3)
            expected = sent if sampled else dict.fromkeys(FEATURES)
            assert (sampled, expected) == (row["sampled"], {name: row[name] for name in FEATURES})
            assert (200, False, None) == (row["status"], row["truncated"], row["payload_hash"])
            assert row["prediction"] in ("0", "1")
    assert 0.3 == pytest.approx(sum(_is_sampled(number, 0.3) for number in numbers) / REQUESTS, abs=0.1)


def test_features_that_are_too_large_are_replaced_by_a_mark_and_their_hash(running: Running) -> None:
    small, large = _rows(2), _rows(40)
    kept, cut = (running.logged("brief", running.ask("brief", rows)) for rows in (small, large))
    given = orjson.dumps(columns_of(pd.DataFrame(large)))
    assert len(given) > 1024
    assert [(row, False, None) for row in small] == [
        ({name: row[name] for name in FEATURES}, row["truncated"], row["payload_hash"]) for row in kept
    ]
    nothing = dict.fromkeys(FEATURES)
    assert [(nothing, True, _hash(given))] * len(large) == [
        ({name: row[name] for name in FEATURES}, row["truncated"], row["payload_hash"]) for row in cut
    ]
    assert {"0", "1"} >= {row["prediction"] for row in cut}


def test_what_is_redacted_is_on_the_disk_nowhere_and_the_rest_is(running: Running) -> None:
    number = running.ask("discreet", [SECRET_ROW], **CALLER)
    tensors = [{"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in SECRET_ROW.items()]
    body = {"id": "body-4716", "inputs": tensors}
    infer = running.gateway.client.post("/endpoints/discreet/infer", json=body, headers=CALLER)
    refused = running.gateway.predict([{"city": "Atlantis-4714"}], "discreet", **CALLER)
    assert (200, "body-4716", 422) == (infer.status_code, infer.json()["id"], refused.status_code)
    said = {"prediction_id": f"{number}-0", "rating": 1, "user_id": "ann-4711", "session_id": "session-4712"}
    assert 202 == running.gateway.client.post("/endpoints/discreet/feedback", json=said).status_code
    raw = _sealed_bytes(running.project, "discreet")
    assert number.encode() in raw
    (row,) = running.logged("discreet", number)
    gone = ("city", "income", "user_id", "session_id", "client_request_id")
    assert dict.fromkeys(gone) == {name: row[name] for name in gone}
    assert (1.0, True, "live") == (row["age"], row["sampled"], row["source"])
    assert [] == _hits(raw + _bytes_under(running.project.folder / "home"), SECRETS)


def test_explanations_keep_nothing_of_what_is_redacted_and_say_so(running: Running) -> None:
    for _ in range(12):
        running.ask("discreet", [SECRET_ROW] * 10, **CALLER)
    body = {"dataframe_records": [SECRET_ROW]}
    asked = running.gateway.client.post("/endpoints/discreet/invocations?explain=true", json=body, headers=CALLER)
    [one] = asked.json()["explanations"]
    why = "version 1 takes income, city, which 'capture.redact' keeps from the disk"
    assert one["reason"].endswith(f"{why}: of it there are none")
    running.logged("discreet", asked.json()["request_id"])
    done = explain_log(running.project.stores, running.specs["discreet"])
    assert (0, why) == (done.explained, done.references)
    assert [] == _hits(_sealed_bytes(running.project, "discreet"), SECRETS)
    assert [] == _hits(_bytes_under(running.project.folder / "home"), SECRETS)


def test_what_is_not_redacted_is_found_so_the_search_above_is_worth_something(running: Running) -> None:
    running.ask("open", [SECRET_ROW], **CALLER)
    raw = _sealed_bytes(running.project, "open")
    log_of(running.project, running.specs["open"])
    found = _bytes_under(running.project.stores.lake.folder / "open")
    assert list(SECRETS[:5]) == _hits(raw, SECRETS) == _hits(found, SECRETS)


def test_the_log_tells_test_calls_and_replays_from_live_ones(running: Running) -> None:
    row = _rows(1)
    sent = {running.ask("open", row, **headers): source for source, headers in SOURCES}
    refused = running.gateway.predict([{}], "open", **{"X-Test-Call": "1"}).json()["error"]["request_id"]
    sent[refused] = "test"
    log = {row["request_id"]: row["source"] for row in log_of(running.project, running.specs["open"])}
    assert sent == {number: log[number] for number in sent}


def _is_sampled(number: str, share: float) -> bool:
    """Return what anybody can tell again from the request's id."""
    return int(_hash(number.encode())[:8], 16) / 2**32 < share


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sealed_bytes(project: Project, endpoint: str) -> bytes:
    """Return what the endpoint's spool holds, once it is sealed, after a look that all of it is read as records."""
    spool = project.stores.settings.spool
    wait_until(lambda: not list((spool / endpoint).glob("*/*/*.open")), 20)
    segments = sealed_segments(spool, endpoint, "predictions")
    assert [] == [line.fault for segment in segments for line in read_lines(segment) if line.fault]
    return b"".join(segment.path.read_bytes() for segment in segments)


def _bytes_under(folder: Path) -> bytes:
    """Return the bytes of every file but the open endpoint's, Parquet decoded as well."""
    found = [path for path in folder.rglob("*") if path.is_file() and "open" not in path.relative_to(folder).parts]
    decoded = [str(pq.read_table(path).to_pylist()).encode() for path in found if path.suffix == ".parquet"]
    return b"".join([path.read_bytes() for path in found] + decoded)


def _hits(content: bytes, secrets: tuple[str, ...]) -> list[str]:
    return [secret for secret in secrets if secret.encode() in content]
