"""The alert rules of an endpoint: their newest verdicts, and changing those made at run time, which are tried first."""

from collections.abc import Mapping
from typing import Any, Final

from modelops_pipelines.core.endpoints.alert_rules import SEVERITIES
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, ModelOpsError
from modelops_pipelines.core.tables.derivations import rule_kinds
from modelops_pipelines.gateway.access.rule_files import require_for_rule
from modelops_pipelines.gateway.http.errors import status_of
from modelops_pipelines.gateway.http.remedies import for_callers
from modelops_pipelines.gateway.pages.alerting.rule_form import CONDITIONS, fields_in, fields_of, rule_in
from modelops_pipelines.gateway.pages.files import endpoint_address
from modelops_pipelines.gateway.pages.page_router import Answer, Done, Page, PageRouter
from modelops_pipelines.gateway.pages.visits import Visit
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

_RULES: Final = "/endpoints/{endpoint}/alert-rules"
_BLANK: Final[Mapping[str, Any]] = {"kind": "error_rate", "above": 0.1, "over": "1h"}


def add_rule_pages(pages: PageRouter, serving: Serving, stores: Stores) -> None:
    """Add the pages. A rule with a SQL file of the gateway's host requires the role admin."""

    @pages.get(_RULES, role="read")
    def list_rules(visit: Visit) -> Answer:
        from modelops_pipelines.operations.alerting.views.rules import rule_rows

        spec = serving.endpoint(visit.path["endpoint"]).spec
        facts = {"endpoint": spec.name, "rules": rule_rows(stores, spec), "here": visit.address}
        return Page("rules.html", facts, section="alerts")

    @pages.get(f"{_RULES}/edit", role="operate")
    def show_form(visit: Visit) -> Answer:
        from modelops_pipelines.operations.alerting.rules.effective_rules import rules_by_name
        from modelops_pipelines.operations.endpoints.yaml.rules import describe_rule

        spec, wanted = serving.endpoint(visit.path["endpoint"]).spec, visit.query.get("rule", "")
        known = rules_by_name(stores, spec).get(wanted)
        rule = dict(_BLANK) if known is None else describe_rule(known)
        if known is not None and wanted in _of_yaml(spec):
            rule["name"] = f"{wanted}_2"
        return _form(visit, fields_of(rule), replaced=wanted if known is not None else "")

    @pages.post(f"{_RULES}/try", role="operate")
    def try_rule(visit: Visit) -> Answer:
        from modelops_pipelines.operations.testing.rule_trials.try_change import try_change

        spec = serving.endpoint(visit.path["endpoint"]).spec
        try:
            rule = _given(visit)
            outcome = try_change(stores, spec, rule).describe()
        except InputError as error:
            return _form(visit, fields_in(visit), error)
        return _form(visit, fields_in(visit), outcome=outcome)

    @pages.post(_RULES, role="operate")
    def save_rule(visit: Visit) -> Answer:
        from modelops_pipelines.operations.alerting.life.change_rules import add_rule

        spec = serving.endpoint(visit.path["endpoint"]).spec
        try:
            made = add_rule(stores, spec, _given(visit), actor=visit.caller.name)
        except InputError as error:
            return _form(visit, fields_in(visit), error)
        said = f"Rule {made.name} is in force (version {made.version})"
        return Done(
            f"{said}: windows that change from now on are judged by it.", endpoint_address(spec.name, "/alert-rules")
        )

    @pages.post(f"{_RULES}/{{rule}}/remove", role="operate")
    def remove_rule(visit: Visit) -> Answer:
        from modelops_pipelines.operations.alerting.life.change_rules import remove_rule

        spec = serving.endpoint(visit.path["endpoint"]).spec
        removed = remove_rule(stores, spec, visit.path["rule"], actor=visit.caller.name)
        return Done(
            f"Rule {removed.name} is removed, and its open alert is resolved.",
            endpoint_address(spec.name, "/alert-rules"),
        )

    def _form(
        visit: Visit,
        fields: Mapping[str, str],
        error: ModelOpsError | None = None,
        outcome: Mapping[str, Any] | None = None,
        replaced: str = "",
    ) -> Page:
        spec = serving.endpoint(visit.path["endpoint"]).spec
        name = replaced or fields["name"]
        facts = {
            "endpoint": spec.name,
            "fields": fields,
            "error": error,
            "remedy": "" if error is None else for_callers(error.remedy),
            "outcome": outcome,
            "kinds": sorted(rule_kinds()),
            "conditions": CONDITIONS,
            "severities": SEVERITIES,
            "of_yaml": name in _of_yaml(spec),
            "replaced": name,
            "made": name in {one.name for one in stores.runtime_rules.of(spec.name)} and name not in _of_yaml(spec),
        }
        return Page("rule.html", facts, 200 if error is None else status_of(error), section="alerts")


def _given(visit: Visit) -> dict[str, Any]:
    """Return the rule of the form; raises ForbiddenError for a file of the host without the role admin on all."""
    rule = rule_in(visit)
    require_for_rule(visit.caller, rule)
    return rule


def _of_yaml(spec: EndpointSpec) -> set[str]:
    return {rule.name for rule in spec.alerts}
