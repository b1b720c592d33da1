"""Models that repeat what callers sent, in every way that code can speak: no byte of it leaves the answers.

The rows hold redacted values only, so that the home and the gateway's log may hold none of them, anywhere.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from modelops_pipelines.core.foreign_text import LONGEST_TRACE
from tests.fakes import model_kinds as kinds
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project
from tests.support.waiting import wait_until

YAML = "  allow_pickle: true\n  capture: {redact: [city, income]}\n  guard: {automatic: false}\n"
CITY, INCOME = "Atlantis Harbour", 47154715.5
LONG = CITY * 100_000  # 1.6 MB
NEEDLES = ("Atlan", "lantis", "sitna", "Harbour", "47154715", "ATLANTIS")
WAYS = (
    "print", "stderr", "descriptor", "warning", "logging", "our logger", "logger's name", "extra", "handler",
    "raise", "cause", "group", "our error", "type", "exit", "thread", "subprocess", "later",
)  # fmt: skip


@dataclass
class Running:
    """A gateway with a model that speaks, and one that is only data."""

    gateway: RunningGateway
    project: Project

    def ask(self, endpoint: str, way: int, city: str = CITY) -> tuple[int, str]:
        row = {**dict.fromkeys(kinds.NUMBERS, 1.0), "age": float(way), "income": INCOME, "city": city}
        response = self.gateway.predict([row], endpoint)
        return response.status_code, response.text

    def log(self) -> str:
        return self.gateway.log.read_text()


def chatty(_frame: Any, _context: Any) -> Any:  # noqa: C901 - one branch for each way of speaking
    """Return a model that says its rows in the way that the age numbers, once it serves."""
    import os

    import mlflow

    trained_in, ways = os.getpid(), WAYS

    class Chatty(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        heard = ""

        def predict(self, context, model_input, params=None):  # noqa: ARG002, C901, PLR0912, PLR0915 - MLflow's own signature
            import logging
            import subprocess
            import sys
            import threading
            import warnings

            import numpy as np

            from modelops_pipelines.core.errors import InputError

            way = int(model_input["age"].iloc[0] or 0) if os.getpid() != trained_in else -1
            said = f"{model_input['city'].iloc[0]} {model_input['income'].iloc[0]}"
            text = f"Found a strange customer {said} in the data"
            name = ways[way] if 0 <= way < len(ways) and model_input["income"].iloc[0] > 4e7 else ""
            logger = logging.getLogger("chatty")
            if name == "print":
                print(text)
                print(said[::-1], repr(model_input))
            if name == "stderr":
                sys.stderr.write(text + "\n")
                sys.__stderr__.write(text + "\n")
            if name == "descriptor":
                os.write(1, text.encode() + b"\n")
                os.write(2, text.encode() + b"\n")
            if name == "warning":
                warnings.simplefilter("always")
                warnings.warn(text, stacklevel=1)
            if name == "logging":
                logger.error("Found a strange customer %s in the data", said)
                logger.error(text)
            if name == "our logger":
                logging.getLogger("modelops.gateway").error(text)
                logging.getLogger("uvicorn.error").error(text)
            if name == "logger's name":
                logging.getLogger(said).error(text)
            if name == "extra":
                logger.error("Found a strange customer", extra={"customer": said, "request_id": said})
            if name == "handler":
                logger.addHandler(logging.StreamHandler())
                logger.error(text)
            if name == "raise":
                raise ValueError(text)
            if name == "cause":
                try:
                    raise KeyError(said)  # noqa: TRY301 - the cause is what is tested
                except KeyError as error:
                    raise ValueError("Found a strange customer in the data") from error
            if name == "group":
                raise ExceptionGroup(text, [ValueError(text)])
            if name == "our error":
                raise InputError(text, text)
            if name == "type":
                raise type(said, (Exception,), {})(text)
            if name == "exit":
                raise SystemExit(text)
            if name == "thread":
                thread = threading.Thread(target=lambda: float(text))
                thread.start()
                thread.join()
            if name == "subprocess":
                subprocess.run(["echo", text[:1000]], check=True, stdout=sys.stdout, stderr=sys.stderr)
                subprocess.run(["echo", text[:1000]], check=True)
            if name == "later":
                Chatty.heard = said
                threading.Timer(0.3, lambda: print(text, Chatty.heard.upper(), flush=True)).start()
            return np.full(len(model_input), 0.25)

    return Chatty()


def warning_encoder(frame: Any, context: Any) -> Any:
    """Fit a model that is data, and whose library warns of categories that it does not know."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(handle_unknown="warn", min_frequency=2, sparse_output=False)
    columns = ColumnTransformer([("city", encoder, ["city"])])
    return make_pipeline(columns, LogisticRegression()).fit(frame[list(context.features)], frame[context.label])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    project = kinds.empty_project(tmp_path_factory.mktemp("speaking"))
    frame = kinds.training(kinds.mixed(60, seed=1)).assign(city="Oslo")
    for name, trainer in (("chatty", chatty), ("encoder", warning_encoder)):
        spec = kinds.add_endpoint(project, name, YAML)
        kinds.put_live(project, spec, frame, trainer)
    with running_gateway(project) as gateway:
        yield Running(gateway, project)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_model_says_of_redacted_values_is_nowhere(running: Running, way: str) -> None:
    for city in (CITY, LONG):
        status, answer = running.ask("chatty", WAYS.index(way), city)
        assert (status, []) == (500 if way in FAILING else 200, _hits(answer)), answer[:2000]
    _assert_nowhere(running)


FAILING = ("raise", "cause", "group", "our error", "type", "exit")


def test_what_a_library_warns_of_is_told_without_the_categories(running: Running) -> None:
    for city in (CITY, LONG):
        status, answer = running.ask("encoder", 1, city)
        assert (200, []) == (status, _hits(answer)), answer
    wait_until(lambda: "Found unknown categories" in running.log(), 20)
    _assert_nowhere(running)


def test_the_words_of_a_model_are_told_under_the_request_id(running: Running) -> None:
    status, answer = running.ask("chatty", WAYS.index("raise"))
    number = json.loads(answer)["error"]["request_id"]
    (line,) = [one for one in map(json.loads, running.log().splitlines()) if one["request_id"] == number]
    assert (500, "Version 1 failed on this input") == (status, line["message"])
    assert "ValueError: Found a strange customer … in the data" in line["exception"]


def test_what_a_model_prints_is_a_line_of_the_log(running: Running) -> None:
    running.ask("chatty", WAYS.index("print"))
    said = "Found a strange customer … in the data"
    wait_until(lambda: ("modelops.model", said) in {(one["logger"], one["message"]) for one in _lines(running)}, 20)


def _assert_nowhere(running: Running) -> None:
    _lines(running)
    assert [] == _hits(running.log())
    home = running.project.stores.settings.home
    assert {} == {str(path): found for path in home.rglob("*") if path.is_file() and (found := _hits(_read(path)))}


def _lines(running: Running) -> list[dict[str, Any]]:
    lines = running.log().splitlines()
    assert max(map(len, lines)) < 3 * LONGEST_TRACE
    return [json.loads(line) for line in lines]


def _read(path: Any) -> str:
    return str(path.read_bytes().decode("latin-1"))


def _hits(text: str) -> list[str]:
    return [needle for needle in NEEDLES if needle in text]
