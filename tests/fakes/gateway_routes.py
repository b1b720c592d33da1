"""The gateway's routes with their roles, written by hand, so that a change of the code's own table is seen."""

from dataclasses import dataclass
from typing import Any

FOREIGN = {"predictions": [{"id": "a", "time": "2026-01-01T00:00:00Z", "prediction": 1}]}
LABEL = {"labels": [{"prediction_id": "nobody-0", "label": "1"}]}

_UNKNOWN: dict[str, Any] = {
    "number": 999, "rule": "no_rule", "version": "7", "feedback_id": "f" * 32, "item": 999, "content_hash": "c" * 64,
    "table": "traffic", "model": "no_model",
}  # fmt: skip


@dataclass(frozen=True)
class Route:
    """A route, what it needs, and what it answers when it is allowed (nothing is deployed, no id is known)."""

    method: str
    template: str
    role: str
    status: int
    body: Any = None
    lists: bool = False

    @property
    def path(self) -> str:
        name = "swagger-ui.css" if "static" in self.template else "drift-2026-01-01.html"
        return self.template.format(endpoint="cancer", key_id="a" * 10, name=name, **_UNKNOWN)

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"


ROW = {"dataframe_records": [{"mean_radius": 1.0}]}
TENSORS = {"inputs": [{"name": "mean_radius", "shape": [1], "datatype": "FP64", "data": [1.0]}]}
ROUTES = [
    Route("GET", "/health/live", "public", 200),
    Route("GET", "/health/ready", "public", 503),
    Route("GET", "/docs/static/{name}", "public", 200),
    Route("GET", "/health", "read", 503),
    Route("GET", "/docs", "read", 200),
    Route("GET", "/openapi.json", "read", 200),
    Route("GET", "/endpoints", "read", 200, lists=True),
    Route("POST", "/endpoints", "operate", 422, {"name": "No Name", "task": "regression", "label": "x"}),
    Route("GET", "/models", "read", 200),
    Route("GET", "/models/{model}/versions", "read", 404),
    Route("GET", "/endpoints/{endpoint}", "read", 200),
    Route("GET", "/endpoints/{endpoint}/example", "read", 503),
    Route("GET", "/endpoints/{endpoint}/metrics", "read", 200),
    Route("GET", "/endpoints/{endpoint}/traffic", "read", 200),
    Route("GET", "/endpoints/{endpoint}/quality", "read", 200),
    Route("GET", "/endpoints/{endpoint}/estimated-quality", "read", 200),
    Route("GET", "/endpoints/{endpoint}/custom-metrics", "read", 200),
    Route("GET", "/endpoints/{endpoint}/data-quality", "read", 200),
    Route("GET", "/endpoints/{endpoint}/export/{table}.csv", "read", 200),
    Route("GET", "/endpoints/{endpoint}/drift", "read", 200),
    Route("GET", "/endpoints/{endpoint}/attributions", "read", 200),
    Route("GET", "/endpoints/{endpoint}/attribution-drift", "read", 200),
    Route("GET", "/endpoints/{endpoint}/slos", "read", 200),
    Route("GET", "/endpoints/{endpoint}/health-score", "read", 200),
    Route("GET", "/overview", "read", 200, lists=True),
    Route("GET", "/endpoints/{endpoint}/checklist", "read", 404),
    Route("GET", "/endpoints/{endpoint}/reports/{name}", "read", 404),
    Route("POST", "/endpoints/{endpoint}/invocations", "predict", 503, ROW),
    Route("POST", "/endpoints/{endpoint}/infer", "predict", 503, TENSORS),
    Route("POST", "/v2/models/{endpoint}/infer", "predict", 503, TENSORS),
    Route("POST", "/endpoints/{endpoint}/labels", "predict", 404, LABEL),
    Route("POST", "/endpoints/{endpoint}/log", "predict", 409, FOREIGN),
    Route("POST", "/endpoints/{endpoint}/feedback", "feedback", 404, {"prediction_id": "nobody-0", "rating": 5}),
    Route("GET", "/endpoints/{endpoint}/feedback", "read", 200),
    Route("GET", "/endpoints/{endpoint}/feedback/recent", "read", 200),
    Route("GET", "/endpoints/{endpoint}/feedback/stats", "read", 200),
    Route("GET", "/endpoints/{endpoint}/feedback/{feedback_id}", "read", 404),
    Route("GET", "/endpoints/{endpoint}/feedback/{feedback_id}/history", "read", 404),
    Route("DELETE", "/endpoints/{endpoint}/feedback/{feedback_id}", "operate", 404),
    Route("POST", "/endpoints/{endpoint}/feedback/{feedback_id}/flag", "operate", 404, {}),
    Route("POST", "/endpoints/{endpoint}/feedback/{feedback_id}/unflag", "operate", 404, {}),
    Route("POST", "/endpoints/{endpoint}/feedback/{feedback_id}/assign", "operate", 404, {"assignee": "ann"}),
    Route("POST", "/endpoints/{endpoint}/feedback/{feedback_id}/to-training", "operate", 404, {}),
    Route("GET", "/endpoints/{endpoint}/review", "read", 200),
    Route("GET", "/endpoints/{endpoint}/review/agreement", "read", 200),
    Route("GET", "/endpoints/{endpoint}/review/{item}", "read", 404),
    Route("POST", "/endpoints/{endpoint}/review/{item}", "operate", 404, {"verdict": "confirm"}),
    Route("POST", "/endpoints/{endpoint}/review/{item}/assign", "operate", 404, {"assignee": "ann"}),
    Route("POST", "/endpoints/{endpoint}/review/{item}/reopen", "operate", 404, {"note": "wrong"}),
    Route("GET", "/endpoints/{endpoint}/logs", "operate", 200),
    Route("POST", "/endpoints/{endpoint}/rollback", "operate", 409, {}),
    Route("POST", "/endpoints/{endpoint}/deployments", "operate", 404, {"version": "7"}),
    Route("POST", "/endpoints/{endpoint}/promote", "operate", 404, {"version": "7"}),
    Route("POST", "/endpoints/{endpoint}/evaluations", "operate", 409, {"version": "7"}),
    Route("GET", "/endpoints/{endpoint}/evaluations", "read", 200),
    Route("GET", "/endpoints/{endpoint}/training-sets", "read", 200),
    Route("GET", "/endpoints/{endpoint}/training-sets/{content_hash}", "read", 404),
    Route("POST", "/endpoints/{endpoint}/stop", "operate", 409, {}),
    Route("POST", "/endpoints/{endpoint}/start", "operate", 409, {}),
    Route("GET", "/endpoints/{endpoint}/versions", "read", 200),
    Route("GET", "/endpoints/{endpoint}/versions/{version}/why", "operate", 404),
    Route("GET", "/endpoints/{endpoint}/feedback/{feedback_id}/where", "operate", 404),
    Route("GET", "/endpoints/{endpoint}/history", "read", 422),
    Route("GET", "/endpoints/{endpoint}/events", "read", 200),
    Route("GET", "/endpoints/{endpoint}/tests", "read", 200),
    Route("POST", "/endpoints/{endpoint}/versions/{version}/archive", "operate", 404, {}),
    Route("POST", "/endpoints/{endpoint}/versions/{version}/restore", "operate", 404, {}),
    Route("GET", "/endpoints/{endpoint}/trials", "read", 200),
    Route("GET", "/endpoints/{endpoint}/ab-tests", "read", 200),
    Route("POST", "/endpoints/{endpoint}/ab-tests", "operate", 404, {"version": "7", "name": "bolder"}),
    Route("GET", "/endpoints/{endpoint}/ab-tests/{name}", "read", 404),
    Route("POST", "/endpoints/{endpoint}/ab-tests/{name}/end", "operate", 404, {"decision": "keep"}),
    Route("GET", "/endpoints/{endpoint}/shadow", "read", 409),
    Route("POST", "/endpoints/{endpoint}/shadow", "operate", 404, {"version": "7"}),
    Route("POST", "/endpoints/{endpoint}/shadow/end", "operate", 409, {}),
    Route("GET", "/deployments", "read", 200, lists=True),
    Route("GET", "/alerts", "read", 200, lists=True),
    Route("GET", "/alerts/{number}", "read", 404, lists=True),
    Route("POST", "/alerts/{number}/acknowledge", "operate", 404, {}, lists=True),
    Route("POST", "/alerts/{number}/resolve", "operate", 404, {"reason": "over"}, lists=True),
    Route("GET", "/endpoints/{endpoint}/alert-rules", "read", 200),
    Route("POST", "/endpoints/{endpoint}/alert-rules", "operate", 422, {"rule": {"kind": "none"}}),
    Route("POST", "/endpoints/{endpoint}/alert-rules/try", "operate", 422, {"rule": {"kind": "none"}}),
    Route("DELETE", "/endpoints/{endpoint}/alert-rules/{rule}", "operate", 404),
    Route("GET", "/silences", "read", 200, lists=True),
    Route("POST", "/silences", "operate", 422, {}, lists=True),
    Route("DELETE", "/silences/{number}", "operate", 404, lists=True),
    Route("GET", "/dead-letters", "read", 200, lists=True),
    Route("POST", "/dead-letters/resend", "operate", 404, {"message_ids": ["none"]}, lists=True),
    Route("GET", "/keys", "admin", 200),
    Route("POST", "/keys", "admin", 404, {"name": "new", "roles": ["read"], "endpoints": ["nowhere"]}),
    Route("POST", "/keys/{key_id}/rotate", "admin", 404, {}),
    Route("DELETE", "/keys/{key_id}", "admin", 404),
]
