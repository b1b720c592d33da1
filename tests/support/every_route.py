"""A call of every route of the gateway, on an endpoint that serves and has answered a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx


@dataclass(frozen=True)
class Call:
    """A request to one of the routes, and the statuses that tell that the route works on this installation."""

    method: str
    route: str
    right: tuple[int, ...] = (200,)
    body: Any = None
    query: str = ""


def calls(rows: list[dict[str, Any]], prediction_id: str) -> list[Call]:
    """Return a call of each route: those that change what is served last, and undone."""
    tensors = [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [float(value)]} for name, value in rows[0].items()
    ]
    one = "/endpoints/{endpoint}"
    reason = {"reason": "test"}
    return [
        Call("get", "/health/live"),
        Call("get", "/health/ready"),
        Call("get", "/health", (200, 503)),  # 503 where nobody has ingested for a while
        Call("get", "/endpoints"),
        Call("post", "/endpoints", (404, 422), {"name": "a", "task": "regression", "label": "x", "model_name": "none"}),
        Call("get", "/models"),
        Call("get", "/models/{model}/versions", (404,)),
        Call("get", one),
        Call("get", f"{one}/example"),
        Call("get", f"{one}/metrics"),
        Call("get", f"{one}/traffic"),
        Call("get", f"{one}/quality"),
        Call("get", f"{one}/drift"),
        Call("get", f"{one}/estimated-quality"),
        Call("get", f"{one}/custom-metrics"),
        Call("get", f"{one}/data-quality"),
        Call("get", f"{one}/export/{{table}}.csv"),
        Call("get", f"{one}/attributions"),
        Call("get", f"{one}/attribution-drift"),
        Call("get", f"{one}/logs"),
        Call("get", f"{one}/reports/{{name}}"),
        Call("get", f"{one}/evaluations"),
        Call("get", f"{one}/training-sets"),
        Call("get", f"{one}/training-sets/{{content_hash}}", (404,)),
        Call("get", f"{one}/versions"),
        Call("get", f"{one}/versions/{{version}}/why"),
        Call("get", f"{one}/feedback/{{feedback_id}}/where", (404,)),
        Call("get", f"{one}/history", query=f"?at={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"),
        Call("get", f"{one}/events"),
        Call("get", f"{one}/tests"),
        Call("get", f"{one}/trials"),
        Call("get", f"{one}/ab-tests"),
        Call("get", f"{one}/ab-tests/{{name}}", (404,)),
        Call("get", f"{one}/shadow", (200, 409)),  # 409 where the endpoint never had one
        Call("get", "/deployments"),
        Call("get", f"{one}/slos"),
        Call("get", f"{one}/health-score"),
        Call("get", "/overview"),
        Call("get", f"{one}/checklist", query="?version=1"),
        Call("get", "/alerts"),
        Call("get", "/alerts/{number}", (404,)),
        Call("post", "/alerts/{number}/acknowledge", (404,), {}),
        Call("post", "/alerts/{number}/resolve", (404,), reason),
        Call("get", f"{one}/alert-rules"),
        Call("post", f"{one}/alert-rules", (201,), {"rule": {"kind": "error_rate", "above": 0.9, "name": "tried"}}),
        Call("post", f"{one}/alert-rules/try", (200,), {"rule": {"kind": "error_rate", "above": 0.9}}),
        Call("delete", f"{one}/alert-rules/{{rule}}"),
        Call("get", "/silences"),
        Call("post", "/silences", (201,), {"matchers": {"rule": "x"}, "until": "2100-01-01T00:00:00Z", **reason}),
        Call("delete", "/silences/{number}", (200, 404)),
        Call("get", "/dead-letters"),
        Call("post", "/dead-letters/resend", (404,), {"message_ids": ["none"]}),
        Call("get", "/keys"),
        Call("post", "/keys", (201,), {"name": "another", "roles": ["predict"]}),
        Call("post", "/keys/{key_id}/rotate", (201,), {}),
        Call("delete", "/keys/{key_id}"),
        Call("post", f"{one}/invocations", body={"dataframe_records": rows}),
        Call("post", f"{one}/infer", body={"inputs": tensors}),
        Call("post", "/v2/models/{endpoint}/infer", body={"inputs": tensors}),
        Call("post", f"{one}/labels", (202,), {"labels": [{"prediction_id": prediction_id, "label": 1}]}),
        Call("post", f"{one}/log", (409,), {"predictions": [{"id": "a", "time": "2026-01-01T00:00:00Z"}]}),
        Call("post", f"{one}/feedback", (202,), {"prediction_id": prediction_id, "thumbs": "down", "rating": 1}),
        Call("get", f"{one}/feedback"),
        Call("get", f"{one}/feedback/recent"),
        Call("get", f"{one}/feedback/stats"),
        Call("get", f"{one}/feedback/{{feedback_id}}"),
        Call("post", f"{one}/feedback/{{feedback_id}}/flag", body={}),
        Call("post", f"{one}/feedback/{{feedback_id}}/assign", body={"assignee": "ann"}),
        Call("post", f"{one}/feedback/{{feedback_id}}/unflag", body={}),
        Call("post", f"{one}/feedback/{{feedback_id}}/to-training", body={"label": 1}),
        Call("get", f"{one}/feedback/{{feedback_id}}/history"),
        Call("delete", f"{one}/feedback/{{feedback_id}}"),
        Call("get", f"{one}/review"),
        Call("get", f"{one}/review/agreement"),
        Call("get", f"{one}/review/{{item}}", (404,)),
        Call("post", f"{one}/review/{{item}}", (404,), {"verdict": "confirm"}),
        Call("post", f"{one}/review/{{item}}/assign", (404,), {"assignee": "ann"}),
        Call("post", f"{one}/review/{{item}}/reopen", (404,), {"note": "wrong"}),
        Call("post", f"{one}/evaluations", (200, 409, 422), {"version": "1"}),
        Call("post", f"{one}/deployments", (200, 409), {"version": "1", **reason}),
        Call("post", f"{one}/promote", (200, 409), {"version": "1", **reason}),
        Call("post", f"{one}/shadow", (409,), {"version": "1", **reason}),
        Call("post", f"{one}/shadow/end", body=reason),
        Call("post", f"{one}/ab-tests", (409,), {"version": "1", "name": "bolder"}),
        Call("post", f"{one}/ab-tests/{{name}}/end", (404,), {"decision": "keep"}),
        Call("post", f"{one}/versions/{{version}}/archive", (409,), reason),
        Call("post", f"{one}/versions/{{version}}/restore", body=reason),
        Call("post", f"{one}/rollback", (409,), reason),
        Call("post", f"{one}/stop", body=reason),
        Call("post", f"{one}/start", body=reason),
    ]


def faults_of(
    client: httpx.Client, headers: Mapping[str, str], made: list[Call], names: Mapping[str, str]
) -> list[str]:
    """Call every route; return what was answered otherwise than right. ``names`` are the parameters of their paths."""
    made_up = {"number": "999", "item": "999", "rule": "tried", "version": "1", "feedback_id": "f" * 32}
    known: dict[str, str] = {**made_up, "content_hash": "c" * 64, "table": "traffic", "model": "none", **names}
    faults = []
    for call in made:
        path = call.route.format(**known) + call.query
        answer = client.request(call.method, path, json=call.body, headers=dict(headers))
        if answer.status_code not in call.right:
            faults.append(f"{call.method} {path}: {answer.status_code} {answer.text[:300]}")
        elif call.route.startswith("/keys") and call.method == "post":
            known["key_id"] = answer.json()["key_id"]
        elif call.route.endswith("/feedback") and call.method == "post":
            known["feedback_id"] = answer.json()["feedback_id"]
    return faults


def routes_of(client: httpx.Client, headers: Mapping[str, str]) -> set[tuple[str, str]]:
    """Return the method and the path of each route that the gateway declares."""
    paths = client.get("/openapi.json", headers=dict(headers)).json()["paths"]
    return {(method, path) for path, methods in paths.items() for method in methods}
