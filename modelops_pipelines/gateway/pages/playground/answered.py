"""The answer to a try, as a person reads it: predictions with scores, who answered in what time, explanations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from modelops_pipelines.gateway.hot_path.answers import Answer
from modelops_pipelines.gateway.hot_path.prediction_record import OK, Exchange
from modelops_pipelines.gateway.pages.playground.row_form import readable_json
from modelops_pipelines.operations.reports.svg import cut

MOST_ROWS, MOST_BARS = 20, 20
"""Rows, and of each its largest contributions, that are shown."""
LONGEST = 400
"""Characters of a row's output that are shown."""
BAR = 100
"""The length of the largest contribution's bar, and the place of 0 on its axis."""


@dataclass(frozen=True)
class Tried:
    """What became of a try; ``took`` is in milliseconds, from the request to its complete answer."""

    exchange: Exchange
    answer: Answer
    took: float

    def describe(self) -> dict[str, Any]:
        """Return everything that the page shows."""
        content, exchange = orjson.loads(self.answer.content), self.exchange
        is_answered = self.answer.status == OK
        return {
            "status": self.answer.status,
            "error": content.get("error"),
            "request_id": exchange.request.text if exchange.request else None,
            "version": exchange.variant.version if exchange.variant else None,
            "role": exchange.variant.role if exchange.variant else None,
            "took": self.took,
            "logged": exchange.milliseconds,
            "explaining": exchange.explaining * 1000,
            "cache_hit": exchange.cache_hit,
            "is_cached": exchange.spec.cache is not None,
            "count": exchange.request.rows if exchange.request else 0,
            "rows": _rows(exchange, content) if is_answered else [],
            "explanations": [_explained(one) for one in content.get("explanations", ())[:MOST_ROWS]],
        }


def _rows(exchange: Exchange, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the first rows of an answer, each with its prediction, score, output as JSON, and id."""
    outcome, request = exchange.outcome, exchange.request
    if outcome is None or request is None:
        raise AssertionError("an answered request has an outcome and an id")
    scores = outcome.scores or [None] * len(outcome.predictions)
    found = zip(outcome.predictions, scores, content["predictions"], strict=True)
    return [
        {"prediction": prediction, "score": score, "output": _json(output), "id": request.prediction_id(row)}
        for row, (prediction, score, output) in enumerate(found)
        if row < MOST_ROWS
    ]


def _json(output: Any) -> str:
    return cut(readable_json(output), LONGEST)


def _explained(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's explanation with the bars of its largest contributions."""
    given: Mapping[str, float] = one["contributions"] or {}
    largest = sorted(given.items(), key=lambda item: -abs(item[1]))[:MOST_BARS]
    scale = max((abs(value) for _, value in largest), default=0.0) or 1.0
    bars = [
        {"feature": name, "value": value, "x": BAR + min(0.0, BAR * value / scale), "width": BAR * abs(value) / scale}
        for name, value in largest
    ]
    return {**one, "bars": bars, "others": len(given) - len(bars)}
