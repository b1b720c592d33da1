"""Tries a rule before it is saved: on the last days as they were, and on synthetic requests. Nothing is written."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.operations.alerting.life.change_rules import checked_rule
from modelops_pipelines.operations.alerting.rules.effective_rules import rules_by_name
from modelops_pipelines.operations.endpoints.yaml.rules import describe_rule
from modelops_pipelines.operations.testing.rule_trials.past_days import PastDays, past_days
from modelops_pipelines.operations.testing.rule_trials.try_rules import RuleTrial, try_rules
from modelops_pipelines.store.stores import Stores

_trying = threading.Lock()


@dataclass(frozen=True)
class ChangeTrial:
    """What a rule would have said of the last days, what the one of its name that is in force would have, and a trial.

    ``before`` is None for a new rule. ``trial`` is what synthetic requests say.
    """

    rule: AlertRule
    past: PastDays
    before: PastDays | None
    trial: RuleTrial

    def describe(self) -> dict[str, Any]:
        """Return it as JSON-safe values."""
        return {
            "rule": self.rule.name,
            "definition": describe_rule(self.rule),
            "past": self.past.describe(),
            "before": None if self.before is None else self.before.describe(),
            "trial": {"result": self.trial.result, "reason": self.trial.reason, "told": list(self.trial.told)},
        }


def try_change(stores: Stores, spec: EndpointSpec, attributes: Mapping[str, Any]) -> ChangeTrial:
    """Try a rule of these attributes, the keys of the YAML; it takes seconds.

    Raises InputError with every fault of the rule, and BusyError while this process tries another: a trial takes a
    processor, and in a gateway predictions need it.
    """
    rule = checked_rule(spec, attributes)
    if not _trying.acquire(blocking=False):
        raise BusyError("Another rule is being tried", "Try again in a few seconds")
    try:
        known = rules_by_name(stores, spec).get(rule.name)
        before = None if known is None or known == rule else past_days(stores, spec, known)
        [trial] = try_rules(stores, replace(spec, alerts=(rule,)), rule.name)
        return ChangeTrial(rule, past_days(stores, spec, rule), before, trial)
    finally:
        _trying.release()
