"""The rules of an endpoint that live counts can judge, and how their verdicts become alerts within seconds."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from modelops_pipelines.core.alerting.alerts import Traits, Verdict
from modelops_pipelines.core.alerting.live_rules import (
    FEWEST_REQUESTS,
    NOW,
    SPANS,
    LiveCounts,
    LiveRule,
    is_due,
    judge_live,
)
from modelops_pipelines.core.endpoints.alert_rules import DEFAULT_PERCENTILE, OUTSIDE, AlertRule, Condition
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.operations.alerting.judges.thresholds import severity_of, subject_of
from modelops_pipelines.operations.alerting.life.policy import traits_in_force
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange, alerts_lock, apply_verdicts
from modelops_pipelines.store.state.alerting.runtime_rules import RuleVersion
from modelops_pipelines.store.stores import Stores

_UPWARD, _DOWNWARD = ("gt", "ge"), ("lt", "le")


def live_rules(spec: EndpointSpec) -> list[LiveRule]:
    """Return the endpoint's rules that live counts can judge, in the order of its rules."""
    return [live for rule in spec.alerts if (live := _live_rule(rule)) is not None]


def _live_rule(rule: AlertRule) -> LiveRule | None:
    """Return the rule as live counts judge it; None for one that needs the log, or that asks for too few or equal."""
    downward = rule.kind == "availability"
    limit = _limit(rule.condition, downward=downward)
    if limit is None:
        return None
    minimum = rule.minimum or FEWEST_REQUESTS
    made = partial(LiveRule, rule.name, rule.kind, severity_of(rule), limit, minimum=minimum, subject=subject_of(rule))
    if rule.kind == "error_rate":
        return made(share=limit)
    if downward:
        return made(share=1 - limit)
    if rule.kind in {"latency", "latency_p95_ms"}:
        return made(share=1 - (rule.percentile or DEFAULT_PERCENTILE) / 100, slower_than=limit)
    return made(per_second=limit) if rule.kind == "throughput" else None


def _limit(condition: Condition | None, *, downward: bool) -> float | None:
    """Return the limit beyond which a value fails, on the side that matters; None where the rule has none there."""
    if condition is None:
        return None
    if condition.operator == OUTSIDE:
        return condition.low if downward else condition.high
    return condition.low if condition.operator in (_DOWNWARD if downward else _UPWARD) else None


def judge_counts(
    rules: Iterable[LiveRule],
    counted: Mapping[int, LiveCounts],
    last: int,
    now: datetime,
    since: Mapping[str, datetime] | None = None,
) -> list[Verdict]:
    """Return the verdicts of those rules that fail or pass on the counts up to the second ``last``.

    Of a rule whose live verdict is in ``since``, only later seconds count.
    """
    begins = {name: int(at.timestamp()) + 1 for name, at in (since or {}).items()}
    known = (rule for rule in rules if begins.get(rule.name, 0) <= last)
    found = (judge_live(rule, counted, last, now, begins.get(rule.name, 0)) for rule in known)
    return [verdict for verdict in found if verdict is not None]


def counts_since(
    stores: Stores, endpoint: str, verdicts: Iterable[Verdict], made: Iterable[RuleVersion], now: datetime
) -> dict[str, datetime]:
    """Return what the rules of failing verdicts count from: when made at run time, or when last resolved, if lately.

    So a new rule raises no alert on the past, and what was resolved is not raised again by what it had told.
    """
    since = {f"{one.name}{NOW}": one.at for one in made}
    failing = [one.rule for one in verdicts if one.passed is False]
    for alert in stores.alerts.resolved_since(endpoint, failing, now - timedelta(seconds=SPANS[-1])):
        if alert.resolved_at is not None:
            since[alert.rule] = max(alert.resolved_at, since.get(alert.rule, alert.resolved_at))
    return since


def raise_live(stores: Stores, endpoint: str, verdicts: Sequence[Verdict], now: datetime) -> list[AlertChange] | None:
    """Apply to the endpoint's alerts those verdicts that are due on them; return what changed.

    It waits for nobody: None while another process changes the endpoint's alerts, and the next look is to try again.
    """
    try:
        with alerts_lock(stores, endpoint, seconds=0):
            opened = {alert.rule: alert for alert in stores.alerts.unresolved(endpoint)}
            due = [one for one in verdicts if is_due(opened.get(one.rule), one, now)]
            return apply_verdicts(stores, endpoint, due, now, traits=_traits(stores, endpoint)) if due else []
    except BusyError:
        return None


def _traits(stores: Stores, endpoint: str) -> Mapping[str, Traits]:
    """Return what the endpoint's rules say of their alerts, for the alerts of their live verdicts."""
    return {f"{name}{NOW}": traits for name, traits in traits_in_force(stores, endpoint).items()}


def is_raised(stores: Stores, endpoint: str) -> bool:
    """Return whether a live verdict has an alert of the endpoint that is pending or open."""
    return any(alert.rule.endswith(NOW) for alert in stores.alerts.unresolved(endpoint))
