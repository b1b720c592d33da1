"""Applies verdicts on the home as a whole, such as on its channels and watchers, when they say something new."""

from collections.abc import Sequence
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import OPEN, PASSES_TO_RESOLVE, Alert, Verdict
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange, apply_if_free
from modelops_pipelines.operations.alerting.watches.home_watch import WHOLE_HOME
from modelops_pipelines.store.stores import Stores


def home_verdict(rule: str, kind: str, now: datetime, problem: str | None, otherwise: str) -> Verdict:
    """Return the verdict of a rule on the home: failed with a problem, else passed."""
    return Verdict(rule, kind, "error", problem is None, None, None, 1, text(now), problem or otherwise)


def apply_home_verdicts(stores: Stores, prefix: str, verdicts: Sequence[Verdict], now: datetime) -> list[AlertChange]:
    """Open, count or resolve the alerts whose rules begin so; a rule without a verdict any more passes.

    While nothing changes, a call costs one read of the state.
    """
    opened = {one.rule: one for one in stores.alerts.find(WHOLE_HOME, OPEN) if one.rule.startswith(prefix)}
    gone = [opened[rule] for rule in sorted({*opened} - {verdict.rule for verdict in verdicts})]
    passed = [home_verdict(one.rule, one.kind, now, None, "It is not watched any more") for one in gone]
    due = [one for verdict in (*verdicts, *passed) for one in _due(verdict, opened.get(verdict.rule))]
    return apply_if_free(stores, WHOLE_HOME, due, now)


def _due(verdict: Verdict, alert: Alert | None) -> list[Verdict]:
    if verdict.passed:
        return [verdict] * PASSES_TO_RESOLVE if alert is not None else []
    return [] if alert is not None and alert.message == verdict.message else [verdict]
