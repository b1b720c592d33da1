"""A remedy that reaches a caller of the gateway names routes that there are, and says where commands are run."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.gateway.http.errors import body_of
from modelops_pipelines.gateway.http.remedies import HOST, ROUTE_OF, for_callers
from tests.fakes.gateway_routes import ROUTES
from tests.support.paths import ROOT

PACKAGE = ROOT / "modelops_pipelines"
ON_THE_HOST = {
    "alert ack", "alert rules export", "backup", "doctor", "drift", "endpoint delete",
    "gateway", "init", "log import", "maintain", "metrics", "model cases", "model sign", "model test", "report", "retrain",
    "sql", "train", "training-set build", "up",
}  # fmt: skip
"""Commands that errors name and that no route does. A command with a route belongs into ROUTE_OF."""
NO_COMMANDS = {"modelops installation name1", "modelops gateway"}
WITH_ROUTE = re.compile(r"(?:GET|POST|DELETE) /[^ ]*(?: with \{[^}]*\})? \(modelops [^)]*\)")


def texts(path: Path) -> Iterator[str]:
    """Yield the strings of a module, with 'name1' for what is filled in; docstrings are no remedies."""
    tree = ast.parse(path.read_text())
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "name1" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


FOUND = sorted(
    {
        text
        for folder in ("core", "store", "operations", "gateway")
        for path in (PACKAGE / folder).rglob("*.py")
        for text in texts(path)
        if re.search(r"modelops [a-z]", text) and "\n" not in text and text not in {HOST, *NO_COMMANDS}
    }
)


def commands_of(text: str) -> Iterator[str]:
    for words in re.findall(r"modelops ([a-z-]+(?: [a-z-]+)*)", text):
        named = [name for name in (*ROUTE_OF, *ON_THE_HOST) if f"{words} ".startswith(f"{name} ")]
        yield max(named, key=len, default=words)


def test_there_are_remedies_to_look_at() -> None:
    assert len(FOUND) > 50


@pytest.mark.parametrize("text", FOUND)
def test_every_command_that_the_code_names_is_told_as_its_route_or_with_its_host(text: str) -> None:
    told = for_callers(text)
    if "on the gateway's host" in text:
        return
    without_route = WITH_ROUTE.sub("", told.removesuffix(f" ({HOST})"))
    assert set(commands_of(without_route)) <= ON_THE_HOST
    assert told.endswith(f" ({HOST})") == ("modelops " in without_route)
    patterns = [(route.method, re.sub(r"\{\w+\}", "[^/]+", route.template)) for route in ROUTES]
    for method, path in re.findall(r"\b(GET|POST|DELETE) (/[\w/{}-]*)", told):
        assert any(method == known and re.fullmatch(pattern, path) for known, pattern in patterns), (method, path)


def test_every_route_of_the_table_exists() -> None:
    routes = {re.sub(r"\{\w+\}", "{}", route.name) for route in ROUTES}
    assert {re.sub(r"\{\w+\}", "{}", route.name.partition("?")[0]) for route in ROUTE_OF.values()} <= routes


@pytest.mark.parametrize(
    ("remedy", "told"),
    [
        ("List: modelops review list flights", "List: GET /endpoints/flights/review (modelops review list flights)"),
        (
            "Deploy: modelops deploy flights 3 --share 10",
            (
                'Deploy: POST /endpoints/flights/deployments with {"version": "3", "share": 10}'
                " (modelops deploy flights 3 --share 10)"
            ),
        ),
        (
            "Undo: modelops rollback flights --undo --force --reason TEXT",
            (
                'Undo: POST /endpoints/flights/rollback with {"undo": true, "force": true, "reason": "TEXT"}'
                " (modelops rollback flights --undo --force --reason TEXT)"
            ),
        ),
        (
            "Or: modelops rollback flights --to 2",
            'Or: POST /endpoints/flights/rollback with {"to": "2"} (modelops rollback flights --to 2)',
        ),
        (
            "First: modelops review reopen flights 17 --note REASON",
            (
                'First: POST /endpoints/flights/review/17/reopen with {"note": "REASON"}'
                " (modelops review reopen flights 17 --note REASON)"
            ),
        ),
        (
            "See: modelops feedback list flights. Else wait",
            "See: GET /endpoints/flights/feedback (modelops feedback list flights). Else wait",
        ),
        (
            "Say why: --force --reason TEXT",
            'Say why: --force --reason TEXT ({"force": true, "reason": "TEXT"} in the body)',
        ),
        (
            "See modelops history e; or modelops retrain e --why",
            f"See GET /endpoints/e/events (modelops history e); or modelops retrain e --why ({HOST})",
        ),
        ("Wait, or modelops train e --data FILE", f"Wait, or modelops train e --data FILE ({HOST})"),
        ("Send another row", "Send another row"),
        ("Run on the gateway's host: modelops evaluate e 3", "Run on the gateway's host: modelops evaluate e 3"),
    ],
)
def test_a_command_is_told_with_the_request_that_does_the_same(remedy: str, told: str) -> None:
    assert told == for_callers(remedy)
    assert told == body_of(ConflictError("It is not", remedy), None)["error"]["remedy"]
