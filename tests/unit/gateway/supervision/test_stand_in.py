"""What callers are told while no worker serves, and what workers are told of each other."""

import pytest

from modelops_pipelines.gateway.supervision.board import Board, Workers
from modelops_pipelines.gateway.supervision.stand_in import STARTING, StandIn
from tests.support.asgi_client import ask


@pytest.mark.parametrize(
    ("problem", "code"),
    [("state", "state"), ("busy", "not_ready"), ("settings", "not_ready"), (STARTING, "not_ready")],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/endpoints/e/invocations"), ("GET", "/health"), ("POST", "/keys"), ("GET", "/")]
)
def test_every_route_is_unavailable_with_the_kind_of_the_problem(
    problem: str, code: str, method: str, path: str
) -> None:
    answer = ask(StandIn(problem), method, path)
    assert (503, code) == (answer.status_code, answer.json()["error"]["code"])
    assert "1" == answer.headers["retry-after"]


@pytest.mark.parametrize(("problem", "status"), [("busy", "live"), (STARTING, "starting")])
def test_it_is_live_and_not_ready(problem: str, status: str) -> None:
    assert (200, {"status": status}) == _answer(problem, "/health/live")
    assert (503, {"status": "not ready"}) == _answer(problem, "/health/ready")


def _answer(problem: str, path: str) -> tuple[int, object]:
    answer = ask(StandIn(problem), "GET", path)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("problem", [None, "no space", "é" * 5000])
def test_the_board_tells_what_was_written_last(problem: str | None) -> None:
    board = Board()
    assert board.read() is None
    board.write(Workers(20, 19, "an earlier and longer one"))
    board.write(Workers(2, 1, problem))
    found = board.read()
    assert found is not None
    assert (2, 1) == (found.wanted, found.serving)
    assert found.problem == (None if problem is None else problem[:500])
