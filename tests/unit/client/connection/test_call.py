"""What becomes of arguments that no request can carry: an error before anything is sent."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from modelops_pipelines.client.clients import Operations
from modelops_pipelines.client.connection.call import Call, body_of
from modelops_pipelines.core.errors import InputError

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
describe: Any = Operations


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), {1}, b"x", datetime(2026, 3, 1)])  # noqa: DTZ001
def test_what_json_does_not_have_is_refused(value: Any) -> None:
    with pytest.raises(InputError):
        body_of({"rule": {"above": value}})


def test_only_nulls_that_mean_something_are_sent() -> None:
    assert {"label": 1} == json.loads(body_of({"label": 1, "note": None}))
    assigned = describe.assign_review(None, "e", 1, None)
    assert {"assignee": None, "force": False} == json.loads(assigned.content)


def test_a_query_has_texts_and_a_list_its_name_once_for_each_item() -> None:
    query = {"state": ["open", "resolved"], "flagged": True, "since": AT, "limit": 2, "cursor": None, "text": ""}
    expected = [
        ("state", "open"),
        ("state", "resolved"),
        ("flagged", "true"),
        ("since", AT.isoformat()),
        ("limit", "2"),
        ("text", ""),
    ]
    assert expected == Call("GET", "/x", json.loads, query=query).parameters


@pytest.mark.parametrize("name", ["live_at", "feedback_stats"])
def test_a_time_without_a_zone_is_refused(name: str) -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 - that is the question
    call = describe.live_at(None, "e", naive) if name == "live_at" else describe.feedback_stats(None, "e", since=naive)
    with pytest.raises(InputError, match="without a time zone"):
        _ = call.parameters


@pytest.mark.parametrize(("part", "target"), [("a/b", "/e/a%2Fb"), ("ä?", "/e/%C3%A4%3F"), ("%2e%2e", "/e/%252e%252e")])
def test_a_name_stays_one_part_of_the_path(part: str, target: str) -> None:
    assert target == Call("GET", "/e/{endpoint}", json.loads, {"endpoint": part}).target
