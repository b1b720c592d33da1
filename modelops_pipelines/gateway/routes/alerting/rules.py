"""Routes on an endpoint's alert rules: list them with their newest verdicts, add and remove those made at run time."""

from typing import Annotated, Any

from fastapi import Path

from modelops_pipelines.gateway.access.rule_files import require_for_rule
from modelops_pipelines.gateway.http.alert_models import RuleInfo, RuleMessage, RuleTryInfo, RuleVersionInfo
from modelops_pipelines.gateway.http.guarded_router import NAME_LENGTH, CallerOf, EndpointName, Router
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

_RULES = "/endpoints/{endpoint}/alert-rules"
RuleName = Annotated[str, Path(max_length=NAME_LENGTH)]


def add_rule_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes."""

    @router.get(_RULES, role="read", response_model=list[RuleInfo])
    def list_rules(endpoint: EndpointName) -> list[dict[str, Any]]:
        """List the endpoint's alert rules in force, those made at run time too, with the newest verdict of each."""
        from modelops_pipelines.operations.alerting.views.rules import rule_rows

        return rule_rows(stores, serving.endpoint(endpoint).spec)

    @router.post(_RULES, role="operate", status_code=201, response_model=RuleVersionInfo, error_statuses=(409,))
    def add_rule(endpoint: EndpointName, caller: CallerOf, message: RuleMessage) -> dict[str, Any]:
        """Add a rule at run time, or a new version of one that was added so; rules of the YAML stay as they are.

        A rule with a SQL file of the gateway's host requires the role admin on all endpoints: errors quote the file.
        """
        require_for_rule(caller, message.rule)
        from modelops_pipelines.operations.alerting.life.change_rules import add_rule as add

        return vars(add(stores, serving.endpoint(endpoint).spec, message.rule, actor=caller.name))

    @router.post(f"{_RULES}/try", role="operate", response_model=RuleTryInfo)
    def try_rule(endpoint: EndpointName, caller: CallerOf, message: RuleMessage) -> dict[str, Any]:
        """Try a rule before it is added: what it would have said of the last 30 days, and of synthetic requests.

        It takes seconds, and changes nothing; 503 while another rule is being tried. A rule with a SQL file of the
        gateway's host requires the role admin on all endpoints.
        """
        require_for_rule(caller, message.rule)
        from modelops_pipelines.operations.testing.rule_trials.try_change import try_change

        return try_change(stores, serving.endpoint(endpoint).spec, message.rule).describe()

    @router.delete(f"{_RULES}/{{rule}}", role="operate", response_model=RuleVersionInfo, error_statuses=(409,))
    def remove_rule(endpoint: EndpointName, rule: RuleName, caller: CallerOf) -> dict[str, Any]:
        """Remove a rule that was added at run time."""
        from modelops_pipelines.operations.alerting.life.change_rules import remove_rule as remove

        return vars(remove(stores, serving.endpoint(endpoint).spec, rule, actor=caller.name))
