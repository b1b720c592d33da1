"""When a changed window is recomputed: immediately, or after the window has ended."""

from datetime import datetime

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.derivations import derivation_of
from modelops_pipelines.core.windows import has_ended


def is_due(spec: EndpointSpec, table: str, window: datetime, now: datetime) -> bool:
    """Return whether a changed window of a derived table is due.

    A calibrated verdict is computed after its window has ended: each verdict on a part of a day may be a false alarm,
    and one every two hours gave nine times as many (decision 16).
    """
    waits = derivation_of(table).when_ended and spec.drift.method == "calibrated"
    return not waits or has_ended(window, spec.window, now)
