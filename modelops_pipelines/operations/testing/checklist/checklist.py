"""The items of a deployment's checklist, in order, and how they are gone through."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.release.checklist import AFTER, BEFORE, DURING, Checklist, Finding, Item, Phase, unknown
from modelops_pipelines.operations.testing.checklist import endpoint_items as endpoints
from modelops_pipelines.operations.testing.checklist import rollout_items as rollout
from modelops_pipelines.operations.testing.checklist import served_items as served
from modelops_pipelines.operations.testing.checklist import version_items as versions
from modelops_pipelines.operations.testing.checklist.subject import Subject, subject_of
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class Check:
    """How an item is judged, and the words of the command that shows more; None: it does not concern the endpoint."""

    phase: Phase
    name: str
    look: str
    judge: Callable[[Subject], Finding | None]


_COMMAND = "modelops"
CHECKS = (
    Check(BEFORE, "version", "model list {endpoint}", versions.version),
    Check(BEFORE, "files", "doctor", versions.files),
    Check(BEFORE, "trust", "endpoint show {endpoint}", versions.trust),
    Check(BEFORE, "signature", "model why {endpoint} {version}", versions.inputs),
    Check(BEFORE, "classes", "endpoint show {endpoint}", versions.classes),
    Check(BEFORE, "environment", "model environment list", versions.environment),
    Check(BEFORE, "suites", "model tests {endpoint}", versions.passed_suites),
    Check(BEFORE, "gate", "model why {endpoint} {version}", versions.gate),
    Check(BEFORE, "training set", "training-set list {endpoint}", versions.training_set),
    Check(BEFORE, "drift reference", "drift show {endpoint}", versions.drift_reference),
    Check(BEFORE, "rollback", "rollback {endpoint} --dry-run", endpoints.rollback),
    Check(BEFORE, "configuration", "endpoint validate", endpoints.configuration),
    Check(BEFORE, "endpoint", "endpoint list", endpoints.endpoint),
    Check(BEFORE, "other deployments", "deployments {endpoint}", endpoints.other_deployments),
    Check(BEFORE, "gateway workers", "doctor", endpoints.workers),
    Check(BEFORE, "monitoring", "doctor", endpoints.monitoring),
    Check(BEFORE, "capture", "doctor", endpoints.capture),
    Check(BEFORE, "disk", "doctor", endpoints.disk),
    Check(BEFORE, "memory", "doctor", endpoints.memory),
    Check(BEFORE, "alert rules", "alert rules list {endpoint}", endpoints.alert_rules),
    Check(BEFORE, "channels", "alert test --channels", endpoints.channels),
    Check(BEFORE, "open alerts", "alert list --endpoint {endpoint}", endpoints.open_alerts),
    Check(DURING, "deployment", "deployments {endpoint}", rollout.deployment),
    Check(DURING, "acknowledgements", "endpoint list", rollout.acknowledgements),
    Check(DURING, "shares", "metrics show {endpoint}", rollout.shares),
    Check(DURING, "first answers", "logs {endpoint} --status error", rollout.first_answers),
    Check(DURING, "crashes", "alert list --endpoint {endpoint} --all", rollout.crashes),
    Check(DURING, "trial", "trials {endpoint}", rollout.trial),
    Check(DURING, "shadow", "shadow show {endpoint}", rollout.shadow),
    Check(AFTER, "requests", "metrics show {endpoint}", served.requests),
    Check(AFTER, "errors", "logs {endpoint} --status error", served.errors),
    Check(AFTER, "latency", "metrics show {endpoint}", served.latency),
    Check(AFTER, "log", "doctor", served.log),
    Check(AFTER, "drift", "drift show {endpoint}", served.drift),
    Check(AFTER, "labels", "metrics show {endpoint}", served.labels),
    Check(AFTER, "new alerts", "alert list --endpoint {endpoint} --all", served.alerts),
    Check(AFTER, "objectives", "slo {endpoint}", served.objectives),
    Check(AFTER, "guards", "trials {endpoint}", served.guard),
    Check(AFTER, "rollback version", "rollback {endpoint} --dry-run", served.rollback_files),
)
"""All items: ``environment`` is one of an isolated endpoint's checklist only."""


def deployment_checklist(stores: Stores, spec: EndpointSpec, version: str | None = None) -> Checklist:
    """Return the checklist of a version of the endpoint; without one, of the newest deployment's version.

    It writes nothing and loads no model. An item whose evidence cannot be read is unknown. Raises what ``subject_of``
    raises.
    """
    subject = subject_of(stores, spec, version)
    place = subject.place
    items = tuple(_items(subject))
    since = None if place is None else place.by.at
    return Checklist(spec.name, subject.version, None if place is None else place.role, since, subject.now, items)


def _items(subject: Subject) -> Iterator[Item]:
    for check in CHECKS:
        try:
            found = check.judge(subject)
        except (ModelOpsError, OSError) as error:
            found = unknown(f"it cannot be judged: {error}")
        if found is not None:
            look = check.look.format(endpoint=subject.spec.name, version=subject.version)
            yield Item(check.phase, check.name, found.state, found.evidence, f"{_COMMAND} {look}")


def describe_checklist(found: Checklist) -> dict[str, Any]:
    """Return a checklist for people and programs: its items, and how many are in each state."""
    counts = {str(state): count for state, count in found.counts.items()}
    return asdict(found) | counts
