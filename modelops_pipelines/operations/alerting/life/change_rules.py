"""Adds and removes alert rules at run time, checked as those of the YAML are, and writes rules as YAML.

A rule is judged from the next window on: whatever changes after it was added is judged by it, the running window
included. Windows that were judged before are not judged again, so that a new rule opens no alert on the past.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelops_pipelines.core.alerting.alerts import OPEN, Verdict
from modelops_pipelines.core.alerting.live_rules import NOW
from modelops_pipelines.core.endpoints.alert_rules import AlertRule, with_defaults
from modelops_pipelines.core.endpoints.issues import Issue
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validation.alerts import alert_issues
from modelops_pipelines.core.errors import ConflictError, InputError, UnknownError
from modelops_pipelines.core.escaping import visible
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.life.act_on_alerts import resolve
from modelops_pipelines.operations.alerting.life.raise_alerts import alerts_lock, raise_alerts
from modelops_pipelines.operations.alerting.rules.effective_rules import with_runtime_rules
from modelops_pipelines.operations.endpoints.check_metrics import rule_file_issues
from modelops_pipelines.operations.endpoints.yaml.positions import Report, root_of
from modelops_pipelines.operations.endpoints.yaml.rules import describe_rule, read_rule
from modelops_pipelines.store.state.alerting.runtime_rules import RuleVersion
from modelops_pipelines.store.stores import Stores

MOST_RULES = 200
"""Rules made at run time that an endpoint can have: each is judged in every window."""


def add_rule(stores: Stores, spec: EndpointSpec, attributes: Mapping[str, Any], actor: str) -> RuleVersion:
    """Add a rule with these attributes, the keys of the YAML; one of the same name that was added before is replaced.

    ``spec`` is as its YAML has it. Raises InputError with every fault, ConflictError for the name of a rule of the
    YAML, or for too many rules.
    """
    rule = checked_rule(spec, attributes)
    if rule.name in {one.name for one in spec.alerts}:
        fix = "Change it there, or give this one a 'name' of its own"
        raise ConflictError(f"Rule {rule.name!r} is in the YAML of endpoint {spec.name!r}", fix)
    with alerts_lock(stores, spec.name):
        known = stores.runtime_rules.of(spec.name)
        if len(known) >= MOST_RULES and rule.name not in {one.name for one in known}:
            message = f"Endpoint {spec.name!r} has {len(known)} rules that were made at run time"
            fix = f"Remove some, or replace the 'alerts' of its YAML by: modelops alert rules export {spec.name}"
            raise ConflictError(message, fix)
        return stores.runtime_rules.add(spec.name, rule.name, describe_rule(rule), stores.now(), actor)


def remove_rule(stores: Stores, spec: EndpointSpec, name: str, actor: str) -> RuleVersion:
    """Remove a rule that was added at run time; its open alert is resolved, because nothing judges it any more.

    Raises ConflictError for a rule of the YAML, UnknownError for one that there is not.
    """
    known = {one.name for one in stores.runtime_rules.of(spec.name)}
    of_yaml = {rule.name for rule in spec.alerts}
    if name not in known and name in of_yaml:
        message = f"Rule {name!r} is in the YAML of endpoint {spec.name!r}"
        raise ConflictError(message, "Remove it there: only rules made at run time are removed here")
    if name not in known:
        shown = ", ".join(sorted(known)) or "none"
        message = f"Endpoint {spec.name!r} has no rule {name!r} that was made at run time (there are: {shown})"
        raise UnknownError(message, f"List its rules: modelops alert rules {spec.name}")
    with alerts_lock(stores, spec.name):
        removed = stores.runtime_rules.remove(spec.name, name, stores.now(), actor)
    if name not in of_yaml:
        _end_alerts(stores, spec, name, actor)
    return removed


def export_rules(stores: Stores, spec: EndpointSpec) -> str:
    """Return the endpoint's rules in force as the ``alerts`` of its YAML, those made at run time with who made them.

    They are indented as they stand in the file, under ``attributes``, to be put in the place of the ``alerts`` there.
    """
    import yaml

    made = {one.name: one for one in stores.runtime_rules.of(spec.name)}
    lines = ["  alerts:"]
    own = {rule.name for rule in spec.alerts}
    for rule in with_runtime_rules(stores, spec).alerts:
        version = None if rule.name in own else made.get(rule.name)
        if version is not None:
            lines.append(f"    # made at run time by {visible(version.actor)}, {text(version.at)[:16]}Z")
        flow = yaml.safe_dump(describe_rule(rule), default_flow_style=True, sort_keys=False, width=10_000)
        lines.append(f"    - {flow.strip()}")
    return "\n".join(lines) + "\n" if len(lines) > 1 else "  alerts: []\n"


def checked_rule(spec: EndpointSpec, attributes: Mapping[str, Any]) -> AlertRule:
    """Return an endpoint's rule of these attributes, the keys of the YAML; raises InputError with every fault."""
    import yaml

    report = Report("rule")
    try:
        root = root_of(yaml.safe_dump(dict(attributes), sort_keys=False), report)
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError("The rule has values that YAML cannot hold", "Write numbers and texts only") from error
    rule = read_rule(root, report) if root else None
    faults = [(fault.culprit, fault.problem, fault.fix) for fault in report.faults]
    if rule is not None and not faults:
        faults = [(issue.path, issue.problem, issue.fix) for issue in _issues(spec, rule)]
    if rule is None or faults:
        problems = "; ".join(f"{path}: {problem}" for path, problem, _ in faults) or "it is empty"
        fixes = ". ".join(dict.fromkeys(fix for _, _, fix in faults)) or "Write its kind and threshold"
        raise InputError(visible(f"The rule is not valid: {problems}"), visible(fixes))
    return with_defaults(rule)


def _issues(spec: EndpointSpec, rule: AlertRule) -> list[Issue]:
    """Return the issues of the rule alone, without the place that it has in a list."""
    own = [metric.name for metric in spec.metrics]
    issues = list(alert_issues([rule], spec.task, own))
    issues += rule_file_issues([rule], Path.cwd(), {issue.path for issue in issues})
    return [replace(issue, path=issue.path.removeprefix("alerts[0]").lstrip(".") or "rule") for issue in issues]


def _end_alerts(stores: Stores, spec: EndpointSpec, rule: str, actor: str) -> None:
    """Resolve the rule's open alert, and that of its live counts; drop a pending one."""
    names = {rule, f"{rule}{NOW}"}
    why = "its rule was removed"
    for alert in stores.alerts.unresolved(spec.name):
        if alert.rule in names and alert.status == OPEN and alert.id is not None:
            resolve(stores, alert.id, actor, why)
        elif alert.rule in names:
            passed = Verdict(alert.rule, alert.kind, alert.severity, True, None, None, 0, alert.data_window, why)
            raise_alerts(stores, spec.name, [passed])
