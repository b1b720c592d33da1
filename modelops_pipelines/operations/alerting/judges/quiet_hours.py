"""Judges the hours that no run judges, because nothing of them changed: hours without a request.

Only rules on how many requests there are (volume, throughput) say something of such an hour. What judges loads Arrow
and DuckDB, so it is imported where it is used: most calls have nothing to judge.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import ARRIVAL_SLACK, VOLUME_KINDS, AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.windows import LENGTH, text, window_of, windows_between
from modelops_pipelines.operations.alerting.apart import Apart
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange, alerts_lock, apply_verdicts
from modelops_pipelines.operations.alerting.rules.effective_rules import with_these_rules
from modelops_pipelines.store.stores import Stores

MOST_HOURS = timedelta(hours=24)
"""How far back hours are judged that were missed, as after a night without power."""
MOST_ENDPOINTS = 20
"""Endpoints that one call judges at most: each takes some 50 ms, and the next call goes on."""


class QuietHours:
    """Hours without requests, judged once each. Keep one a process: it remembers which hour each endpoint is done to.

    Several processes may judge: an hour that one has judged is not judged by another.
    """

    def __init__(self) -> None:
        """Nothing is done yet."""
        self._done: dict[str, datetime] = {}
        self._apart = Apart("The watch of quiet hours")

    def judge(self, stores: Stores, specs: Sequence[EndpointSpec], now: datetime) -> list[AlertChange]:
        """Judge the hours that are over; return the alerts that changed. Call it every few seconds.

        ``specs`` are as their YAML has them. A call costs one small read of the state until the next hour is over.
        Hours whose requests may still be on their way to the lake wait.
        """
        over = window_of(now, "hour")
        if now - over < _on_the_way(stores):
            return []
        made = stores.runtime_rules.by_endpoint()
        changes: list[AlertChange] = []
        judged = 0
        for one in specs:
            spec = with_these_rules(one, made.get(one.name, []))
            rules = [rule for rule in spec.alerts if rule.kind in VOLUME_KINDS]
            if rules and self._done.get(spec.name) != over and judged < MOST_ENDPOINTS:
                with self._apart.alone(spec.name):  # what is held up by another process is judged at the next call
                    changes += self._judge_endpoint(stores, spec, rules, over)
                judged += self._done.get(spec.name) == over
        return changes

    def _judge_endpoint(
        self, stores: Stores, spec: EndpointSpec, rules: Sequence[AlertRule], over: datetime
    ) -> list[AlertChange]:
        from modelops_pipelines.operations.alerting.judges.volume import complete_until

        if complete_until(stores, spec, stores.now()) < over:
            return []
        with alerts_lock(stores, spec.name, seconds=0):
            verdicts = [one for rule in rules for one in _verdicts(stores, spec, rule, over)]
            changes = apply_verdicts(stores, spec.name, verdicts, stores.now()) if verdicts else []
        self._done[spec.name] = over
        return changes


def _on_the_way(stores: Stores) -> timedelta:
    """Return for how long after its end an hour's requests are certainly not all in the lake."""
    settings = stores.settings
    return timedelta(seconds=settings.seal_after_seconds + settings.ingest_lag_seconds) + ARRIVAL_SLACK


def _verdicts(stores: Stores, spec: EndpointSpec, rule: AlertRule, over: datetime) -> list[Verdict]:
    """Judge the hours that have no verdict, from the first on that the rule was asked about; return what is new."""
    from modelops_pipelines.operations.alerting.judges.judge_rules import judge_rules

    since = over - MOST_HOURS
    stored = [one for one in stores.verdicts.find(spec.name, rule.kind, text(since)) if one.rule == rule.name]
    judged = {one.window for one in stored if one.passed is not None}
    first = min([one.window for one in stored], default=text(over - LENGTH["hour"]))
    hours = [one for one in windows_between(since, over, "hour") if text(one) >= first and text(one) not in judged]
    asked = replace(spec, window="hour", alerts=(rule,))
    found = judge_rules(stores, asked, [rule.kind], hours) if hours else []
    return [one for one in found if one.window and one not in stored]
