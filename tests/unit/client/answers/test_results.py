"""Answers as rows, frames and tables; reading them from what gateways of other releases send."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.client.answers.alerts import Alert
from modelops_pipelines.client.answers.endpoints import Variant
from modelops_pipelines.client.answers.keys import NewKey
from modelops_pipelines.client.answers.monitoring import LiveMetrics
from modelops_pipelines.client.answers.predictions import Predictions
from modelops_pipelines.client.answers.reading import many, one
from modelops_pipelines.client.connection.errors import UnreadableAnswerError

VARIANT = {"version": "1", "role": "champion", "share": 100}
LATENCY = {"p50": 1.0, "p95": None, "p99": 3.0}
LIVE = {
    "window_seconds": 300, "requests": 2, "predictions": 3, "client_errors": 0, "server_errors": 0,
    "cache_hits": 1, "error_rate": 0.0, "requests_per_second": 0.5, "latency_ms": LATENCY,
}  # fmt: skip
KEY = {
    "key_id": "a", "name": "n", "mode": "live", "roles": ["read"], "endpoints": None, "status": "active",
    "created_at": "2026-03-01T12:00:00Z", "created_by": "x", "expires_at": None, "revoked_at": None, "replaces": None,
    "key": "sk_live_secret",
}  # fmt: skip


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_what_a_newer_gateway_adds_is_ignored_and_what_an_older_lacks_is_named() -> None:
    assert Variant("1", "champion", 100) == one(Variant)(body({**VARIANT, "new": [1]}))
    with pytest.raises(UnreadableAnswerError, match="no share: the gateway is of another release"):
        one(Variant)(body({"version": "1", "role": "champion"}))


def test_an_answer_within_an_answer_has_columns_of_both_names() -> None:
    [row] = one(LiveMetrics)(body(LIVE)).records()
    assert (1.0, None) == (row["latency_ms.p50"], row["latency_ms.p95"])
    assert "latency_ms" not in row


def test_times_are_aware_and_lists_are_tuples() -> None:
    made = one(NewKey)(body(KEY))
    assert (datetime(2026, 3, 1, 12, tzinfo=UTC), ("read",), None) == (made.created_at, made.roles, made.expires_at)


def test_a_new_key_s_text_is_shown_by_nothing_but_itself() -> None:
    made = one(NewKey)(body(KEY))
    assert made.key == "sk_live_secret"
    assert not [
        text for text in (repr(made), made._repr_html_(), str(made.records()), str(made.frame())) if made.key in text
    ]


def test_an_empty_list_is_a_frame_with_its_columns() -> None:
    frame = many(Alert)(b"[]").frame()
    assert (0, True) == (len(frame), {"id", "rule", "state"} <= set(frame))


def test_a_page_knows_the_next_and_whether_it_is_all() -> None:
    page = many(Variant, "items", "next")(body({"items": [VARIANT], "next": "c", "complete": False}))
    assert (1, "c", False, "1") == (len(page), page.next_cursor, page.complete, page[0].version)
    assert (1, None, True) == (len(whole := many(Variant)(body([VARIANT]))), whole.next_cursor, whole.complete)


@given(text=st.text(max_size=40))
def test_no_text_of_a_caller_is_markup_in_a_notebook(text: str) -> None:
    answer = Predictions((f"<b>{text}", {"<i>": text}), "r", "1", f"<script>{text}")
    page = answer._repr_html_()
    assert set(page.split("<")) & {part for part in page.split("<") if part.startswith(("b>", "i>", "script"))} == set()


def test_a_prediction_s_row_has_the_id_that_labels_name() -> None:
    assert ["r-0", "r-1"] == [row["prediction_id"] for row in Predictions((1, [2]), "r", "1", "champion").records()]
