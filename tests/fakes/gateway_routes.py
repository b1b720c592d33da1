"""The gateway's routes with their roles, written by hand, so that a change of the code's own table is seen."""

from dataclasses import dataclass
from typing import Any

LABEL = {"labels": [{"prediction_id": "nobody-0", "label": "1"}]}


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
        return self.template.format(endpoint="cancer", key_id="a" * 10, name=name)

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
    Route("GET", "/endpoints/{endpoint}", "read", 200),
    Route("GET", "/endpoints/{endpoint}/example", "read", 503),
    Route("GET", "/endpoints/{endpoint}/metrics", "read", 200),
    Route("GET", "/endpoints/{endpoint}/reports/{name}", "read", 404),
    Route("POST", "/endpoints/{endpoint}/invocations", "predict", 503, ROW),
    Route("POST", "/endpoints/{endpoint}/infer", "predict", 503, TENSORS),
    Route("POST", "/v2/models/{endpoint}/infer", "predict", 503, TENSORS),
    Route("POST", "/endpoints/{endpoint}/labels", "predict", 404, LABEL),
    Route("POST", "/endpoints/{endpoint}/feedback", "predict", 404, {"prediction_id": "nobody-0", "rating": 5}),
    Route("GET", "/endpoints/{endpoint}/logs", "operate", 200),
    Route("POST", "/endpoints/{endpoint}/rollback", "operate", 409, {}),
    Route("POST", "/endpoints/{endpoint}/deployments", "operate", 404, {"version": "7"}),
    Route("POST", "/endpoints/{endpoint}/promote", "operate", 404, {"version": "7"}),
    Route("POST", "/endpoints/{endpoint}/evaluations", "operate", 409, {"version": "7"}),
    Route("GET", "/endpoints/{endpoint}/evaluations", "read", 200),
    Route("POST", "/endpoints/{endpoint}/stop", "operate", 409, {}),
    Route("POST", "/endpoints/{endpoint}/start", "operate", 409, {}),
    Route("GET", "/endpoints/{endpoint}/versions", "read", 200),
    Route("GET", "/endpoints/{endpoint}/history", "read", 422),
    Route("GET", "/deployments", "read", 200, lists=True),
    Route("GET", "/keys", "admin", 200),
    Route("POST", "/keys", "admin", 404, {"name": "new", "roles": ["read"], "endpoints": ["nowhere"]}),
    Route("POST", "/keys/{key_id}/rotate", "admin", 404, {}),
    Route("DELETE", "/keys/{key_id}", "admin", 404),
]
