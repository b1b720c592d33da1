"""The response of a prediction request: an answer, or an error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.explanations.explained import Explanation
from modelops_pipelines.core.tables.feature_columns import feature_of
from modelops_pipelines.gateway.hot_path.prediction_record import Exchange
from modelops_pipelines.gateway.http.errors import body_of, headers_of, status_of
from modelops_pipelines.operations.model_runtime.answers import render_answer
from modelops_pipelines.operations.model_runtime.loaded_model import Outcome


@dataclass(frozen=True)
class Answer:
    """The response: status, JSON content, extra headers."""

    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def rendered(exchange: Exchange, outcome: Outcome, request_id: str, *, infer: bool) -> bytes:
    """Return the response body; raises PredictionError for an output that JSON cannot represent."""
    variant = exchange.variant
    return render_answer(
        outcome.output,
        endpoint=exchange.spec.name,
        version=variant.version if variant else "",
        variant=variant.role if variant else "",
        request_id=request_id,
        client=exchange.client,
        infer=infer,
        unanswered=outcome.unanswered,
        explanations=None if exchange.explanations is None else list(map(shown, exchange.explanations)),
    )


def shown(one: Explanation) -> dict[str, Any]:
    """Return a row's explanation as the answer has it: by the features' own names."""
    by_feature = {
        name: None if values is None else {feature_of(column): value for column, value in values.items()}
        for name, values in (("contributions", one.contributions), ("standard_errors", one.errors))
    }
    more = {"method": one.method, "scale": one.scale, "class_name": one.of_class, "reason": one.reason}
    return {"base_value": one.base_value, "value": one.value, **by_feature, **more}


def error_answer(error: ModelOpsError, request_id: str | None) -> Answer:
    """Return the answer that says what is wrong; ``request_id`` is None where no request is logged."""
    return Answer(status_of(error), orjson.dumps(body_of(error, request_id)), headers_of(error))
