"""The client against a real gateway: every operation, blocking and awaited, and what a program does with the answers."""

import asyncio
import logging
import pickle
import re
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines import AsyncClient, Client
from modelops_pipelines.client.answers.result import Result
from modelops_pipelines.client.connection import errors
from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.core.errors import InputError, SettingsError, UnknownError
from modelops_pipelines.operations.governance.api_keys import create_key
from tests.fakes.client_calls import ARGUMENTS, E
from tests.support.gateway import running_gateway
from tests.support.paths import ROOT
from tests.support.project import Project, cancer_frame, copied_project

HEAVY = ("mlflow", "pandas", "numpy", "pyarrow", "dagster", "duckdb", "deltalake", "sqlalchemy", "fastapi", "sklearn")
FEATURES = cancer_frame().drop(columns="benign").head(3)
STEADY = ["endpoints", "example", "traffic", "drift", "alerts", "keys", "training_sets"]
REFUSED = {404: errors.NotFoundError, 409: errors.RefusedChangeError, 422: errors.InvalidRequestError}


@dataclass
class Served:
    """A project whose gateway runs and asks for keys; its address and an admin's key."""

    project: Project
    url: str
    key: str
    log: Path

    def client(self, **options: Any) -> Client:
        return Client(self.url, key=self.key, **options)


@pytest.fixture(scope="module")
def served(served_world: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    project = copied_project(served_world[0], tmp_path_factory.mktemp("client") / "served")
    key = create_key(project.stores, grant("tester", ["admin"]), actor="test").text
    with running_gateway(project) as gateway:
        yield Served(project, str(gateway.client.base_url).rstrip("/"), key, gateway.log)


def outcome(client: Client, name: str) -> Any:
    """Return the kind of what an operation answers, or the error that it raises."""
    arguments, options = ARGUMENTS[name]
    try:
        return type(getattr(client, name)(*arguments, **options))
    except errors.GatewayError as error:
        return error


async def awaited(client: AsyncClient, name: str) -> Any:
    arguments, options = ARGUMENTS[name]
    return await getattr(client, name)(*arguments, **options)


def test_every_operation_is_answered_or_refused_as_its_kind(served: Served) -> None:
    with served.client() as client:
        found = {name: outcome(client, name) for name in ARGUMENTS}
        assert client.endpoint(E).status == "active"
    refused = {name: error for name, error in found.items() if isinstance(error, errors.GatewayError)}
    assert {name: error for name, error in refused.items() if REFUSED.get(error.status or 0) is not type(error)} == {}
    assert all(error.message and error.remedy for error in refused.values())
    answered = {name: kind for name, kind in found.items() if name not in refused}
    assert all(kind is str or issubclass(kind, Result) for kind in answered.values()), answered
    assert len(answered) >= 30, refused


def test_the_asynchronous_client_answers_the_same(served: Served) -> None:
    async def ask() -> list[Any]:
        async with AsyncClient(served.url, key=served.key) as client:
            return list(await asyncio.gather(*(awaited(client, name) for name in STEADY)))

    with served.client() as client:
        expected = [getattr(client, name)(*ARGUMENTS[name][0], **ARGUMENTS[name][1]) for name in STEADY]
    assert expected == asyncio.run(ask())


def test_predictions_labels_feedback_and_the_log_as_frames(served: Served) -> None:
    with served.client() as client:
        answer = client.predict(E, FEATURES, user="ann", request_id="order 7", test=True)
        assert (3, "1", "champion") == (len(answer.predictions), answer.model_version, answer.variant)
        assert answer.predictions == client.predict(E, FEATURES.to_dict("list"), test=True).predictions
        assert answer.predictions == client.predict(E, FEATURES.to_numpy(), names=list(FEATURES), test=True).predictions
        frame = answer.frame()
        assert answer.prediction_ids == frame["prediction_id"].tolist()
        assert client.label(E, answer.prediction_ids[0], True).accepted == 1
        assert client.labels(E, frame.assign(label=1)[["prediction_id", "label"]]).accepted == 3
        given = client.feedback(E, answer.prediction_ids[1], rating=1, comment="<script>no</script>")
        assert given.status == "recorded"
        row = client.logs(E, request_id=answer.request_id)
        assert {"ann"} == set(row.frame()["user_id"])
        assert FEATURES.iloc[0].to_dict() == row[-1].features or FEATURES.iloc[0].to_dict() == row[0].features
        listed = client.recent_feedback(E)
        assert "<script>" not in listed._repr_html_()
        assert "&lt;script&gt;no&lt;/script&gt;" in listed._repr_html_()


def test_what_was_derived_is_one_frame_each(served: Served) -> None:
    with served.client() as client:
        traffic, quality, drift = client.traffic(E).frame(), client.quality(E).frame(), client.drift(E).frame()
        metrics = client.metrics(E, "1h").frame()
        alerts = client.alerts(E).frame()
        empty = client.dead_letters().frame()
    assert traffic["predictions"].sum() >= 569
    assert quality["labelled"].tolist() == [569]
    assert quality["auc"][0] > 0.9
    assert set(FEATURES) <= set(drift["column"])
    assert drift.loc[drift["drifted"].isna(), "reason"].notna().all()
    assert "latency_ms.p50" in metrics
    assert "error_rate" in set(alerts["rule"])
    assert (0, True) == (len(empty), "message_id" in empty)


def test_an_alert_is_acknowledged_and_resolved(served: Served) -> None:
    with served.client() as client:
        number = next(alert.id for alert in client.alerts(E) if alert.rule == "error_rate")
        assert client.acknowledge(number, note="mine").acknowledged_by == "tester"
        assert client.resolve(number, reason="over").state == "resolved"
        assert ["resolved"] == [one.state for one in client.alerts(E, states=["resolved"]) if one.id == number]


def test_a_deploy_is_done_once_with_one_key(served: Served) -> None:
    with served.client() as client:
        first = client.deploy(E, 2, share=10, reason="try", idempotency_key="once")
        again = client.deploy(E, 2, share=10, reason="try", idempotency_key="once")
        assert (True, "cancer/once", False) == (first.changed, first.deployment_id, again.changed)
        assert 1 == [one.deployment_id for one in client.deployments()].count("cancer/once")
        client.roll_back(E, reason="enough")


def test_errors_say_what_to_do_and_never_the_key(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with served.client() as client, Client(served.url, key="sk_live_not_a_key") as stranger:
        with pytest.raises(UnknownError) as unknown:
            client.endpoint("nobody")
        with pytest.raises(errors.KeyRefusedError) as refused:
            stranger.predict(E, FEATURES)
        with pytest.raises(InputError) as wrong:
            client.predict(E, [{"mean_radius": 1.0}])
        found = [unknown.value, refused.value, wrong.value]
        assert re.search("[a-z2-7]{40}", getattr(wrong.value, "request_id", "") or "")
        again = pickle.loads(pickle.dumps(found[2]))
        assert (vars(found[2]), type(found[2])) == (vars(again), type(again))
        made = client.create_key("another", ["read"])
        said = [
            repr(client),
            repr(made),
            made._repr_html_(),
            caplog.text,
            *("".join(traceback.format_exception(e)) for e in found),
        ]
    assert [404, 401, 422] == [error.status for error in found]  # type: ignore[attr-defined]
    for secret in (served.key, "sk_live_not_a_key", made.key):
        assert not [text for text in said if secret in text]


@pytest.mark.parametrize("endpoint", ["", ".", "..", "../keys", "a/b", "a?b=c"])
def test_a_name_leads_to_no_other_route(served: Served, endpoint: str) -> None:
    with served.client() as client, pytest.raises(InputError if endpoint in ("", ".", "..") else UnknownError):
        client.endpoint(endpoint)


@pytest.mark.parametrize(
    "url", ["ftp://x", "nothing", "http://ann:secret@host", "http://h/?key=1", "http://[", "http://h:1x"]
)
def test_an_address_that_is_none_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(SettingsError) as error:
        Client(url)
    assert url not in str(error.value)


@pytest.mark.parametrize("header", ["a\nb", " a", "", "x" * 201, "\x00"])
def test_a_text_that_a_header_cannot_carry_is_refused(served: Served, header: str) -> None:
    with served.client() as client, pytest.raises(InputError, match="header"):
        client.predict(E, FEATURES, user=header)


def test_a_name_that_is_not_of_ascii_arrives(served: Served) -> None:
    with served.client() as client:
        answer = client.predict(E, FEATURES.head(1), user="Zoë 王", test=True)
        assert client.logs(E, request_id=answer.request_id)[0].user_id == "Zoë 王"


class Dropping:
    """A server that takes each request and ends the connection without an answer; it counts them."""

    def __init__(self) -> None:
        self.taken = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                self.taken += 1

    def close(self) -> None:
        self._socket.close()


LOST: dict[str, tuple[int, Callable[[Client], Any]]] = {
    "a list": (3, lambda client: client.endpoints()),
    "a prediction": (1, lambda client: client.predict(E, FEATURES)),
    "a promotion": (1, lambda client: client.promote(E, 2)),
    "a deploy with its key": (3, lambda client: client.deploy(E, 2)),
}


@pytest.mark.parametrize("case", LOST)
def test_a_lost_answer_is_asked_for_again_only_where_that_is_safe(case: str) -> None:
    times, ask = LOST[case]
    server = Dropping()
    with Client(server.url, retries=2) as client, pytest.raises(errors.NoConnectionError, match="No gateway answers"):
        ask(client)
    server.close()
    assert times == server.taken


def test_nobody_at_the_address_is_told_with_what_to_do() -> None:
    server = Dropping()
    server.close()
    with Client(server.url, retries=1) as client, pytest.raises(errors.NoConnectionError) as error:
        client.endpoints()
    assert f"No gateway answers at {server.url} (Connection refused)" == error.value.message
    assert "Start the gateway: modelops up" == error.value.remedy


def test_the_client_is_light_and_the_package_lighter(tmp_path: Path) -> None:
    code = f"""
import sys
import modelops_pipelines
print([name for name in ("httpx", *{HEAVY!r}) if name in sys.modules])
from modelops_pipelines import AsyncClient, Client
client = Client()
client.close()
print([name for name in {HEAVY!r} if name in sys.modules], client)
"""
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "MODELOPS_GATEWAY_PORT": "8123"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "[]\n[] <Client of http://127.0.0.1:8123 without a key>\n" == done.stdout, done.stderr


def test_the_environment_names_the_gateway_and_the_key(monkeypatch: pytest.MonkeyPatch, served: Served) -> None:
    monkeypatch.setenv("MODELOPS_URL", served.url)
    monkeypatch.setenv("MODELOPS_API_KEY", served.key)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with Client() as client:
        assert client.ready().status == "ready"
        assert [E] == [one.name for one in client.endpoints()]
