"""The newest verdict of each of an endpoint's alert rules: passed, failed or not judged."""

from collections.abc import Sequence

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.alerting.judges.thresholds import not_judged
from modelops_pipelines.operations.alerting.rules.effective_rules import with_runtime_rules
from modelops_pipelines.store.stores import Stores


def newest_verdicts(stores: Stores, spec: EndpointSpec) -> Sequence[Verdict]:
    """Return one verdict for each of the endpoint's rules, in the order of its YAML: that on the newest window.

    Those of rules that were made at run time follow. A rule without a stored verdict is not judged, and its window is
    empty.
    """
    stored = stores.verdicts.newest(spec.name)
    rules = with_runtime_rules(stores, spec).alerts
    return [stored.get(rule.name) or not_judged(rule, "", 0, "no window of it has been judged yet") for rule in rules]
