"""Asks a person about a canary that holds its share because labels do not decide its quality."""

from datetime import timedelta

from modelops_pipelines.core.alerting.alerts import OPEN, PASSES_TO_RESOLVE
from modelops_pipelines.core.alerting.alerts import Verdict as AlertVerdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.core.release.event_log import PROMOTE, last_release
from modelops_pipelines.core.release.guards import Verdict
from modelops_pipelines.core.release.sequential_tests import INCONCLUSIVE
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.store.stores import Stores

ALERT = "canary"
HOUR = timedelta(hours=1)


def is_asked(stores: Stores, endpoint: str) -> bool:
    """Return whether a person was asked about a canary, and the answer is not known yet."""
    return stores.alerts.find_open(endpoint, ALERT) is not None


def asked_endpoints(stores: Stores) -> set[str]:
    """Return the endpoints of which a person was asked."""
    return {alert.endpoint for alert in stores.alerts.find(None, OPEN) if alert.rule == ALERT}


def ask_person(stores: Stores, spec: EndpointSpec, state: DesiredState, verdict: Verdict) -> None:
    """Raise the alert ``canary`` once a step has been held for ``ask_after``; resolve it when it is held no more."""
    begun = last_release(stores.deployments.events(spec.name))
    held = (verdict.verdict, verdict.guard) == (INCONCLUSIVE, "quality")
    if not held or begun is None or begun.action != PROMOTE or spec.promotion.strategy != "canary":
        withdraw_question(stores, spec)
        return
    waited = stores.now() - begun.at
    if waited < spec.promotion.ask_after:
        return
    version, share = str(state.challenger), state.share_of(str(state.challenger))
    message = (
        f"Version {version} of {spec.name!r} has been at {share} % for {waited / HOUR:.0f} h: {verdict.reason}. "
        f"Decide: modelops promote {spec.name} {version}, or modelops rollback {spec.name}"
    )
    source = f"canary {state.generation} is undecided"
    raise_alerts(stores, spec.name, [_verdict(stores, message, passed=False)], source=source)


def withdraw_question(stores: Stores, spec: EndpointSpec) -> None:
    """Resolve the alert, if it is open."""
    if is_asked(stores, spec.name):
        passed = _verdict(stores, f"No canary of {spec.name!r} waits for a decision", passed=True)
        raise_alerts(stores, spec.name, [passed] * PASSES_TO_RESOLVE)


def _verdict(stores: Stores, message: str, *, passed: bool) -> AlertVerdict:
    return AlertVerdict(ALERT, ALERT, "warning", passed, None, None, 0, text(stores.now()), message)
