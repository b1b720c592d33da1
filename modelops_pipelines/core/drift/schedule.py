"""When a window that changed is computed: at once, or when its time is over."""

from datetime import datetime

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.derivations import derivation_of
from modelops_pipelines.core.windows import has_ended


def is_due(spec: EndpointSpec, table: str, window: datetime, now: datetime) -> bool:
    """Whether a changed window of a derived table is to be computed by now.

    A calibrated verdict waits until its window has ended: each look at a part of a day is another chance of a false
    alarm, and looking every two hours gave nine times as many (decision 16).
    """
    waits = derivation_of(table).when_ended and spec.drift.method == "calibrated"
    return not waits or has_ended(window, spec.window, now)
