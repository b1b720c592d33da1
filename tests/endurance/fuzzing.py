"""What must hold of every answer that a gateway gives, whatever it was sent."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx
import jsonschema_rs

CREATED = 201
LEAKS = [
    re.compile(pattern)
    for pattern in (
        r"Traceback",
        r'File "',
        r"\.pyc?\b",
        r"\bline \d+, in ",
        r"/(?:home|root|tmp|work|usr|var|etc|opt|proc)/",
        r"site-packages",
        r"\b0x[0-9a-f]{6,}",
        r"<[\w.]+ object at",
        r"\bSELECT\b.*\bFROM\b",
        r"\b(?:INSERT INTO|DELETE FROM|UPDATE \w+ SET)\b",
        r"(?i)sqlite|sqlalchemy|duckdb|deltalake|pydantic|starlette|uvicorn|sklearn|\bnumpy\b",
        r"\b[A-Z]\w*(?:Error|Exception)\b",
    )
]
UNAVAILABLE = {
    ("/health", "degraded"),
    ("/health/ready", "not ready"),
    ("/endpoints/{endpoint}/invocations", "not_ready"),
    ("/endpoints/{endpoint}/infer", "not_ready"),
    ("/v2/models/{endpoint}/infer", "not_ready"),
    ("/endpoints/{endpoint}/example", "not_ready"),
}
"""Where a 503 is right, and what it says: an endpoint serves nothing, or nobody has ingested for a while."""
OTHERS_WORDS = {"/endpoints/{endpoint}/logs", "/endpoints/{endpoint}", "/keys"}
"""What shows what other callers said: their users and features, their reasons, their keys' names."""


@dataclass(frozen=True)
class Sent:
    """A request, as bytes where it matters; ``template`` is its route's, None for none of the gateway's."""

    method: str
    path: str
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    template: str | None = None

    @property
    def text(self) -> str:
        """All that the caller said himself."""
        parts = [
            self.path.encode(),
            unquote_to_bytes(self.path),
            self.body,
            *(part for pair in self.headers for part in pair),
        ]
        return " ".join(part.decode("latin-1") for part in parts) + self.body.decode(errors="replace")


class Judge:
    """Knows the OpenAPI document, and judges answers by it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._validators: dict[str, Any] = {}
        self.statuses: dict[int, int] = {}
        self.reached: dict[str, set[int]] = {}

    def require(self, sent: Sent, answer: httpx.Response) -> None:
        """Fail unless the answer is documented, well-formed, and tells nothing of what lies within."""
        status = answer.status_code
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if answer.headers.get("content-type", "").startswith("application/json"):
            if status >= 400 or sent.template not in OTHERS_WORDS:
                assert leaks(answer.text, sent.text) == [], describe(sent, answer)
            assert status == CREATED or "sk_live_" not in answer.text, describe(sent, answer)
        operation = self.document["paths"].get(sent.template or "", {}).get(sent.method.lower())
        if operation is None:
            assert status in {200, 401, 403, 404, 405}, describe(sent, answer)
            return
        self.reached.setdefault(f"{sent.method} {sent.template}", set()).add(status)
        if status >= 500:
            assert (sent.template, _said(answer)) in UNAVAILABLE, describe(sent, answer)
        assert str(status) in operation["responses"], describe(sent, answer)
        self._require_shape(operation["responses"][str(status)], sent, answer)

    def _require_shape(self, declared: Mapping[str, Any], sent: Sent, answer: httpx.Response) -> None:
        media_type = answer.headers["content-type"].partition(";")[0]
        assert media_type in declared["content"], describe(sent, answer)
        if media_type == "application/json":
            schema = declared["content"][media_type]["schema"]
            errors = [str(error) for error in self._validator(schema).iter_errors(answer.json())]
            assert errors == [], describe(sent, answer)

    def _validator(self, schema: Mapping[str, Any]) -> Any:
        name = json.dumps(schema, sort_keys=True)
        if name not in self._validators:
            whole = {**schema, "components": self.document["components"]}
            self._validators[name] = jsonschema_rs.validator_for(whole)
        return self._validators[name]

    def never_answered(self) -> list[str]:
        """Return the documented routes that never answered with success."""
        named = {f"{method.upper()} {path}" for path, methods in self.document["paths"].items() for method in methods}
        return sorted(one for one in named if not {200, 201, 202} & self.reached.get(one, set()))


def leaks(answered: str, said: str) -> list[str]:
    """Return what an answer tells of what lies within, apart from what the caller said himself."""
    return [match[0] for leak in LEAKS for match in leak.finditer(answered) if match[0] not in said]


def describe(sent: Sent, answer: httpx.Response) -> str:
    return f"{sent} -> {answer.status_code} {dict(answer.headers)} {answer.text[:2000]}"


def _said(answer: httpx.Response) -> str:
    body = answer.json()
    return str(body["error"]["code"] if "error" in body else body["status"])
