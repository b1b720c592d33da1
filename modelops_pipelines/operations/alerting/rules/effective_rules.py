"""An endpoint's rules in force: those of its YAML, then those that were added at run time.

A verdict carries the name of its rule. How long the rule must fail (``for_``), its labels, owner and runbook are not in
the verdict: who needs them looks the rule up by that name. ``rules_by_name`` is for who has the endpoint's spec,
``rule_named`` for who has an alert. Verdicts that no rule of the endpoint gave (pipeline, capture, ...) have none.
"""

from collections.abc import Sequence
from dataclasses import replace

from modelops_pipelines.core.endpoints.alert_rules import AlertRule, with_defaults
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.endpoints.yaml.positions import Report, root_of
from modelops_pipelines.operations.endpoints.yaml.rules import read_rule
from modelops_pipelines.store.state.alerting.runtime_rules import RuleVersion
from modelops_pipelines.store.stores import Stores


def with_runtime_rules(stores: Stores, spec: EndpointSpec) -> EndpointSpec:
    """Return the endpoint with the rules that were added at run time after those of its YAML.

    A rule of the YAML that was given the same name later replaces the one made at run time.
    """
    return with_these_rules(spec, stores.runtime_rules.of(spec.name))


def with_these_rules(spec: EndpointSpec, made: Sequence[RuleVersion]) -> EndpointSpec:
    """Return the endpoint with these rules: for who has read those of many endpoints at once."""
    known = {rule.name for rule in spec.alerts}
    added = [rule for one in made if one.name not in known and (rule := rule_of(one)) is not None]
    return replace(spec, alerts=(*spec.alerts, *added)) if added else spec


def rule_of(version: RuleVersion) -> AlertRule | None:
    """Return the stored rule; None for one that was removed, or that this release cannot read."""
    import yaml

    if version.rule is None:
        return None
    report = Report("rule made at run time")
    root = root_of(yaml.safe_dump(dict(version.rule)), report)
    rule = read_rule(root, report) if root else None
    return None if rule is None or report.faults else with_defaults(rule)


def rules_by_name(stores: Stores, spec: EndpointSpec) -> dict[str, AlertRule]:
    """Return the endpoint's rules in force by their names."""
    return {rule.name: rule for rule in with_runtime_rules(stores, spec).alerts}


def rule_named(stores: Stores, endpoint: str, name: str) -> AlertRule | None:
    """Return a rule by its endpoint's and its own name; None for an alert of no rule, or of one that is gone."""
    try:
        spec = endpoint_named(stores, endpoint)
    except ModelOpsError:
        return None
    return rules_by_name(stores, spec).get(name)
