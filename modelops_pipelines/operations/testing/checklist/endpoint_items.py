"""Before a deployment: the endpoint, its gateway, its home, and whether somebody hears when something goes wrong."""

from collections.abc import Iterable, Mapping, Sequence

from modelops_pipelines.core.alerting.alerts import OPEN, Alert, AlertEvent, Verdict, open_alert
from modelops_pipelines.core.alerting.events import OPENED
from modelops_pipelines.core.alerting.records import Notification
from modelops_pipelines.core.alerting.routing import Policy, notifications_of
from modelops_pipelines.core.capture.health import REFUSED, CaptureHealth, Check
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.release.checklist import Finding, failed, judge_memory, passed, unknown
from modelops_pipelines.core.release.desired_state import ACTIVE, DELETED, rollback_target
from modelops_pipelines.core.release.event_log import champions
from modelops_pipelines.operations.alerting.configuration import alerting_configuration, alerting_faults
from modelops_pipelines.operations.alerting.delivery.channel_watch import channel_problems
from modelops_pipelines.operations.alerting.delivery.watchers import DAGSTER, STOPPED_AFTER, last_watched
from modelops_pipelines.operations.alerting.judges.thresholds import severity_of
from modelops_pipelines.operations.alerting.life.policy import policy_of, traits_of
from modelops_pipelines.operations.alerting.watches.capture_watch import capture_health
from modelops_pipelines.operations.alerting.watches.home_watch import home_checks
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.model_runtime.memory import available_bytes, machine_bytes
from modelops_pipelines.operations.release.endpoint_status import NEW, PENDING, endpoint_status
from modelops_pipelines.operations.testing.checklist.subject import Subject
from modelops_pipelines.operations.testing.checklist.words import at, names
from modelops_pipelines.store.filesystem.folder_sizes import size_of


def rollback(subject: Subject) -> Finding:
    """Judge whether there is a version to roll back to, once the version answers callers."""
    target = rollback_to(subject)
    if isinstance(target, Finding):
        return target
    return passed(f"a rollback returns to version {target}")


def rollback_to(subject: Subject) -> str | Finding:
    """Return the version that a rollback of the version returns to, or why there is none."""
    if subject.served is None:
        champion = subject.state.champion
        return champion or failed("the endpoint serves no version that a rollback could return to")
    archived = subject.stores.deployments.archived(subject.spec.model_name)
    try:
        return rollback_target(subject.state, champions(subject.events), None, archived)
    except ConflictError as error:
        return failed(error.message)


def configuration(subject: Subject) -> Finding:
    """Judge whether the configuration in force is that of the endpoint's YAML."""
    found = read_configurations(subject.stores.settings)
    problem = found.problems.get(subject.spec.name)
    if problem is not None:
        return failed(problem)
    path = found.paths.get(subject.spec.name)
    if path is None:
        return failed("no file declares the endpoint any more")
    return passed(f"the configuration in force is that of {path.name}")


def endpoint(subject: Subject) -> Finding:
    """Judge whether the endpoint takes a deployment, and serves what it should."""
    found = endpoint_status(subject.stores, subject.state)
    if found.status == PENDING:
        return unknown(f"the endpoint is {found.status}: {found.problem}")
    if found.problem is not None or found.status not in (NEW, ACTIVE, DELETED):
        return failed(f"the endpoint is {found.status}" + (f": {found.problem}" if found.problem else ""))
    serves = {NEW: ": nothing was deployed yet", DELETED: ": a deploy makes it anew"}
    return passed(f"the endpoint is {found.status}{serves.get(found.status, '')}")


def other_deployments(subject: Subject) -> Finding:
    """Judge whether no other deployment of the endpoint is under way."""
    own = None if subject.attempt is None else subject.attempt.deployment_id
    others = [one for one in subject.stores.deployments.unsettled(subject.spec.name) if one.deployment_id != own]
    if not others:
        return passed("no other deployment of the endpoint is under way")
    one = others[-1]
    done = f"{one.action} of version {one.version} by {one.actor}"
    return failed(f"{done}, requested on {at(one.requested_at)}, is {one.status}")


def workers(subject: Subject) -> Finding:
    """Judge whether gateway workers live that can serve the version."""
    if not subject.workers:
        return failed("no gateway worker lives")
    return passed(f"{len(subject.workers)} gateway worker(s) live: {names(one.worker for one in subject.workers)}")


def monitoring(subject: Subject) -> Finding:
    """Judge whether Dagster works, which ingests the log and judges windows."""
    beat = last_watched(subject.stores).get(DAGSTER)
    if beat is None:
        return failed("Dagster's sensor 'alerts' has never worked here: nothing is ingested, and no window is judged")
    if subject.now - beat > STOPPED_AFTER:
        return failed(f"Dagster's sensor 'alerts' last worked on {at(beat)}: no window is judged since")
    return passed(f"Dagster's sensor 'alerts' worked on {at(beat)}")


def capture(subject: Subject) -> Finding:
    """Judge whether what the endpoint answers is captured and ingested."""
    refused = subject.stores.alerts.find_open(subject.spec.name, REFUSED)
    if refused is not None:
        return failed(f"since {at(refused.opened_at)}: {refused.message}")
    return captured(subject)


def captured(subject: Subject) -> Finding:
    """Judge the ingest lag and the backlog of the spool."""
    checks = [check for check in _health(subject).checks if check.name != "disk"]
    return _of_checks(checks)


def disk(subject: Subject) -> Finding:
    """Judge whether the disk has room, and is not full soon."""
    checks = [check for check in _health(subject).checks if check.name == "disk"]
    grown = next((check for _, check in home_checks(subject.stores, subject.now) if check.name == "disk_full"), None)
    growth = "How it grows is not known: no reading of the home yet." if grown is None else grown.message
    found = _of_checks(checks)
    if grown is not None and not grown.ok:
        return failed(f"{found.evidence} {growth}")
    return Finding(found.state, f"{found.evidence} {growth}")


def _health(subject: Subject) -> CaptureHealth:
    return capture_health(subject.stores.settings, subject.spec.name, subject.now)


def _of_checks(checks: Sequence[Check]) -> Finding:
    wrong = [check.message for check in checks if not check.ok]
    return failed(" ".join(wrong)) if wrong else passed(" ".join(check.message for check in checks))


def memory(subject: Subject) -> Finding:
    """Judge whether this machine has memory for the version."""
    available, machine = available_bytes(), machine_bytes()
    if available is None or machine is None:
        return unknown("the system does not say how much memory is available")
    held = None if subject.known is None else size_of(subject.known.folder).bytes
    return judge_memory(available, machine, held, max(1, len(subject.workers)))


def alert_rules(subject: Subject) -> Finding:
    """Judge whether the endpoint has alert rules."""
    rules = subject.with_rules.alerts
    if not rules:
        return failed("no alert rule judges the endpoint")
    return passed(f"{len(rules)} alert rule(s) judge the endpoint: {names(rule.name for rule in rules)}")


def channels(subject: Subject) -> Finding:
    """Judge whether somebody is told of an alert of each of the endpoint's rules."""
    stores, rules = subject.stores, subject.with_rules.alerts
    faults = alerting_faults(stores.settings)
    if faults:
        return failed(f"alerting.yaml has {len(faults)} fault(s), and what held before is in force: {faults[0]}")
    configured = alerting_configuration(stores.settings)
    if not configured.channels:
        return failed("alerting.yaml has no channel: alerts are listed, and nobody is told")
    policy = policy_of(stores, subject.now, configured)
    told = {rule.name: _told(subject, rule, policy) for rule in rules}
    problems = channel_problems(stores, configured, subject.now)
    wrong = [*_unheard(told), *_stuck(told, problems)]
    if wrong or not told:
        return failed("; ".join(wrong) or "no alert rule judges the endpoint, so nobody is told of anything")
    reached = sorted({one.channel for found in told.values() for one in found})
    return passed(f"alerts of all {len(told)} rule(s) are told to {names(reached)}, which take messages, or had none")


def _told(subject: Subject, rule: AlertRule, policy: Policy) -> list[Notification]:
    """Return whom an alert of the rule would be told to, if it opened now."""
    traits = traits_of([rule])[rule.name]
    verdict = Verdict(rule.name, rule.kind, severity_of(rule), False, None, None, 0, "", "")
    alert = open_alert(verdict, subject.spec.name, subject.now)
    event = AlertEvent(0, subject.spec.name, rule.name, subject.now, OPENED)
    return notifications_of(event, alert, traits, frozenset(), policy)


def _unheard(told: dict[str, list[Notification]]) -> Iterable[str]:
    for rule, found in told.items():
        if not found:
            yield f"no route of alerting.yaml takes alerts of rule {rule}"
        elif all(one.withheld for one in found):
            yield f"nobody is told of alerts of rule {rule}: {found[0].withheld}"


def _stuck(told: dict[str, list[Notification]], problems: Mapping[str, str | None]) -> Iterable[str]:
    reached = sorted({one.channel for found in told.values() for one in found})
    for name in reached:
        problem = problems.get(name)
        if problem is not None:
            yield f"channel {name}: {problem}"


def open_alerts(subject: Subject) -> Finding:
    """Judge whether no alert of severity error was open on the endpoint before the version answered callers."""
    before = subject.since or subject.now
    found = [alert for alert in unresolved(subject) if alert.opened_at <= before]
    return judge_alerts(found, f"before {at(before)}")


def unresolved(subject: Subject) -> list[Alert]:
    """Return the endpoint's open alerts, acknowledged or not."""
    return [alert for alert in subject.stores.alerts.unresolved(subject.spec.name) if alert.status == OPEN]


def judge_alerts(found: Sequence[Alert], when: str) -> Finding:
    """Judge open alerts: one of severity error fails."""
    errors = [alert for alert in found if alert.severity == "error"]
    warnings = f"{len(found) - len(errors)} of severity warning" if len(found) > len(errors) else ""
    if errors:
        shown = names(f"{alert.rule} ({alert.state} since {at(alert.opened_at)})" for alert in errors)
        return failed(f"{len(errors)} alert(s) of severity error, opened {when}, are not resolved: {shown}")
    also = f"; {warnings}: {names(alert.rule for alert in found)}" if warnings else ""
    return passed(f"no alert of severity error, opened {when}, is unresolved{also}")
