"""Alert rules for people: the newest verdict of each, its condition, and where it comes from."""

from typing import Any

from modelops_pipelines.core.alerting.alerts import state_of
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.alerting.judges.rule_states import newest_verdicts
from modelops_pipelines.operations.alerting.rules.effective_rules import with_runtime_rules
from modelops_pipelines.operations.endpoints.yaml.rules import describe_rule
from modelops_pipelines.store.stores import Stores

YAML, RUN_TIME = "yaml", "run time"
_VERDICT = ("window", "value", "threshold", "n", "message")


def rule_rows(stores: Stores, spec: EndpointSpec) -> list[dict[str, Any]]:
    """Return the endpoint's rules in force with the newest verdict of each; ``source`` is yaml or run time."""
    verdicts = {verdict.rule: verdict for verdict in newest_verdicts(stores, spec)}
    made = {one.name: one for one in stores.runtime_rules.of(spec.name)}
    own = {rule.name for rule in spec.alerts}
    rows = []
    for rule in with_runtime_rules(stores, spec).alerts:
        verdict = verdicts.get(rule.name)
        if verdict is None:  # it was made while the verdicts were read
            continue
        version = None if rule.name in own else made.get(rule.name)
        rows.append(
            {
                "rule": rule.name,
                "state": state_of(verdict.passed),
                **{name: getattr(verdict, name) for name in _VERDICT},
                "severity": rule.severity or verdict.severity,
                "source": YAML if version is None else RUN_TIME,
                "version": version.version if version else None,
                "actor": version.actor if version else None,
                "definition": describe_rule(rule),
            }
        )
    return rows
