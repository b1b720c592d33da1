"""What is sent again, and after how long, without a network: a driver of the test feeds what came back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.client.connection import errors
from modelops_pipelines.client.connection.call import Call, Retry
from modelops_pipelines.client.connection.exchange import LONGEST_WAIT, Lost, Pause, Reply, exchange

URL = "http://gateway"
OK = Reply(200, b"1")
UNSENT, SENT = Lost("Connection refused", sent=False), Lost("reset", sent=True)


def refusal(status: int, retry_after: str = "") -> Reply:
    body = {"error": {"code": "some", "message": "No", "remedy": "Do", "request_id": "r"}}
    return Reply(status, json.dumps(body).encode(), retry_after)


def driven(retry: Retry, got: list[Reply | Lost], retries: int = 2) -> tuple[Any, int, list[float]]:
    """Return the answer or the error's type, the number of sent requests, and the pauses."""
    steps = exchange(Call("GET", "/x", json.loads, retry=retry), URL, retries)
    feed, sent, pauses, back = iter(got), 0, [], None
    try:
        while True:
            step = steps.send(back)
            if isinstance(step, Pause):
                pauses.append(step.seconds)
                back = None
            else:
                sent, back = sent + 1, next(feed)
    except StopIteration as end:
        return end.value, sent, pauses
    except errors.GatewayError as error:
        return type(error), sent, pauses


AGAIN = {
    (Retry.ALWAYS, "unsent"): True, (Retry.REFUSED, "unsent"): True, (Retry.UNSENT, "unsent"): True,
    (Retry.ALWAYS, "sent"): True, (Retry.REFUSED, "sent"): False, (Retry.UNSENT, "sent"): False,
    (Retry.ALWAYS, "429"): True, (Retry.REFUSED, "429"): True, (Retry.UNSENT, "429"): True,
    (Retry.ALWAYS, "503"): True, (Retry.REFUSED, "503"): True, (Retry.UNSENT, "503"): False,
    (Retry.ALWAYS, "500"): False, (Retry.ALWAYS, "422"): False, (Retry.ALWAYS, "401"): False,
}  # fmt: skip


@pytest.mark.parametrize(("retry", "what"), AGAIN)
def test_a_call_is_sent_again_where_that_is_safe(retry: Retry, what: str) -> None:
    first = {"unsent": UNSENT, "sent": SENT}.get(what) or refusal(int(what))
    answer, sent, pauses = driven(retry, [first, OK])
    again = AGAIN[retry, what]
    assert (2 if again else 1, 1 if again else 0) == (sent, len(pauses))
    assert answer == 1 if again else issubclass(answer, errors.GatewayError)


@given(
    failures=st.lists(st.sampled_from([UNSENT, refusal(429), refusal(503, "2")]), max_size=6), retries=st.integers(0, 3)
)
def test_it_is_never_sent_more_often_than_allowed_and_the_last_error_is_raised(
    failures: list[Reply | Lost], retries: int
) -> None:
    answer, sent, pauses = driven(Retry.ALWAYS, [*failures, OK], retries)
    assert sent == min(len(failures), retries) + 1
    assert len(pauses) == sent - 1
    assert answer == 1 if len(failures) <= retries else issubclass(answer, errors.GatewayError)


def test_the_wait_is_at_least_what_the_gateway_asks_and_too_long_a_one_is_told_at_once() -> None:
    _, _, [pause] = driven(Retry.ALWAYS, [refusal(503, "7"), OK])
    assert 7 <= pause < 8
    assert (errors.LimitExceededError, 1, []) == driven(Retry.ALWAYS, [refusal(429, str(LONGEST_WAIT + 1)), OK])


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"error": "text"}', b'{"error": {"message": "x"}}'])
def test_another_server_s_error_is_no_gateway_s(body: bytes) -> None:
    assert (errors.UnreadableAnswerError, 1, []) == driven(Retry.ALWAYS, [Reply(404, body)])


def test_an_answer_that_is_no_json_is_no_gateway_s() -> None:
    assert (errors.UnreadableAnswerError, 1, []) == driven(Retry.ALWAYS, [Reply(200, b"<html>")])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 431, 500, 503])
def test_every_status_of_the_gateway_is_a_kind_with_all_that_it_said(status: int) -> None:
    error = errors.error_of(status, json.loads(refusal(status).content), 3, URL)
    assert type(error) is errors.KINDS.get(status, errors.InvalidRequestError)
    told = (error.status, error.code, error.request_id, error.message, error.remedy, error.retry_after)
    assert (status, "some", "r", "No", "Do", 3) == told
