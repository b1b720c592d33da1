"""Gathers the likely causes of the alerts in a message, within a short time."""

import time
from collections.abc import Sequence

from modelops_pipelines.core.alerting.alerts import OPEN, Alert
from modelops_pipelines.core.alerting.message_content import Cause
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.alerting.causes.in_time import in_time, or_nothing
from modelops_pipelines.operations.alerting.causes.releases import PIPELINE, failed_run, release_before
from modelops_pipelines.store.stores import Stores

SECONDS = 3.0
"""The most time that the causes of one message take."""
NOT_OF_MODELS = frozenset(
    {"capture", "storage", "configuration", "code_location", "watchers", "security", "keys", "alias"}
)
"""Kinds of alerts whose cause is neither a version nor its data."""


def likely_causes(
    stores: Stores, endpoint: str, spec: EndpointSpec | None, alerts: Sequence[Alert], seconds: float = SECONDS
) -> list[Cause]:
    """Return the likely causes of one endpoint's alerts, the release first; without ``spec`` the lake is not read."""
    ends = time.monotonic() + seconds
    mine = [alert for alert in alerts if alert.kind not in NOT_OF_MODELS]
    if not mine:
        return []
    found = or_nothing(lambda: release_before(stores, endpoint, mine))
    if any(alert.kind != PIPELINE for alert in mine):
        found += or_nothing(lambda: failed_run(stores.alerts.find(endpoint, OPEN), endpoint))
    if spec is None:
        return found

    def read() -> list[Cause]:
        from modelops_pipelines.operations.alerting.causes.evidence import evidence_of  # imports DuckDB

        return evidence_of(stores, spec, mine)

    return found + in_time(read, ends - time.monotonic())
