"""Who is told of what happens to alerts: the project's ``alerting.yaml``, the silences, and who was told before."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import Traits
from modelops_pipelines.core.alerting.configuration import AlertingConfiguration
from modelops_pipelines.core.alerting.episodes import Episode
from modelops_pipelines.core.alerting.records import AlertRecord
from modelops_pipelines.core.alerting.routing import Policy, informed_by
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.operations.alerting.configuration import alerting_configuration
from modelops_pipelines.operations.alerting.rules.effective_rules import with_runtime_rules
from modelops_pipelines.operations.alerting.rules.rules_in_force import spec_in_force
from modelops_pipelines.store.stores import Stores


def alert_records(
    stores: Stores, episodes: Sequence[Episode], now: datetime, configuration: AlertingConfiguration | None = None
) -> list[AlertRecord]:
    """Return what is written of the alerts, with whom it is told to; reads nothing while nothing has happened."""
    happened = [one for one in episodes if one.history]
    policy = policy_of(stores, now, configuration) if happened else Policy(AlertingConfiguration())
    told = stores.notifications.told([one.alert.id for one in happened if one.alert.id is not None])
    return [one.record(policy, informed_by(told.get(one.alert.id or 0, ()))) for one in episodes]


def policy_of(stores: Stores, now: datetime, configuration: AlertingConfiguration | None = None) -> Policy:
    """Return what decides who is told: the configuration given or that of ``alerting.yaml``, and the silences."""
    return Policy(configuration or alerting_configuration(stores.settings), stores.silences.not_over(now))


def traits_in_force(stores: Stores, endpoint: str) -> Mapping[str, Traits]:
    """Return what the endpoint's rules in force say, by the rule's name; nothing where there are none."""
    spec = spec_in_force(stores, endpoint)
    return {} if spec is None else traits_of(with_runtime_rules(stores, spec).alerts)


def traits_of(rules: Iterable[AlertRule]) -> Mapping[str, Traits]:
    """Return what rules say of their alerts, by the rule's name."""
    return {rule.name: Traits(rule.for_, rule.owner, dict(rule.labels), rule.runbook) for rule in rules}
