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
        Call("get", one),
        Call("get", f"{one}/example"),
        Call("get", f"{one}/metrics"),
        Call("get", f"{one}/logs"),
        Call("get", f"{one}/reports/{{name}}"),
        Call("get", f"{one}/evaluations"),
        Call("get", f"{one}/versions"),
        Call("get", f"{one}/history", query=f"?at={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"),
        Call("get", "/deployments"),
        Call("get", "/keys"),
        Call("post", "/keys", (201,), {"name": "another", "roles": ["predict"]}),
        Call("post", "/keys/{key_id}/rotate", (201,), {}),
        Call("delete", "/keys/{key_id}"),
        Call("post", f"{one}/invocations", body={"dataframe_records": rows}),
        Call("post", f"{one}/infer", body={"inputs": tensors}),
        Call("post", "/v2/models/{endpoint}/infer", body={"inputs": tensors}),
        Call("post", f"{one}/labels", (202,), {"labels": [{"prediction_id": prediction_id, "label": 1}]}),
        Call("post", f"{one}/feedback", (202,), {"prediction_id": prediction_id, "thumbs": "down"}),
        Call("post", f"{one}/evaluations", (200, 409, 422), {"version": "1"}),
        Call("post", f"{one}/deployments", (200, 409), {"version": "1", **reason}),
        Call("post", f"{one}/promote", (200, 409), {"version": "1", **reason}),
        Call("post", f"{one}/rollback", (409,), reason),
        Call("post", f"{one}/stop", body=reason),
        Call("post", f"{one}/start", body=reason),
    ]


def faults_of(
    client: httpx.Client, headers: Mapping[str, str], made: list[Call], names: Mapping[str, str]
) -> list[str]:
    """Call every route; return what was answered otherwise than right. ``names`` are the parameters of their paths."""
    known, faults = dict(names), []
    for call in made:
        path = call.route.format(**known) + call.query
        answer = client.request(call.method, path, json=call.body, headers=dict(headers))
        if answer.status_code not in call.right:
            faults.append(f"{call.method} {path}: {answer.status_code} {answer.text[:300]}")
        elif call.route.startswith("/keys") and call.method == "post":
            known["key_id"] = answer.json()["key_id"]
    return faults


def routes_of(client: httpx.Client, headers: Mapping[str, str]) -> set[tuple[str, str]]:
    """Return the method and the path of each route that the gateway declares."""
    paths = client.get("/openapi.json", headers=dict(headers)).json()["paths"]
    return {(method, path) for path, methods in paths.items() for method in methods}
