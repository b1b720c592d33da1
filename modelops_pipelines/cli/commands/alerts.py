"""Commands that list alerts, open and resolved, and the newest verdict of each alert rule."""

from dataclasses import asdict

import click

from modelops_pipelines.cli.output import json_option, show_rows
from modelops_pipelines.cli.project import open_stores, require_endpoint
from modelops_pipelines.core.alerting.alerts import OPEN, state_of


@click.group()
def alert() -> None:
    """List alerts, and the newest verdict of each alert rule."""


@alert.command("list")
@click.option("--endpoint", default=None, help="Alerts of this endpoint only.")
@click.option("--all", "everything", is_flag=True, help="Include resolved alerts.")
@json_option
def list_alerts(endpoint: str | None, *, everything: bool, as_json: bool) -> None:
    """List open alerts, newest first."""
    stores = open_stores()
    found = stores.alerts.find(endpoint, None if everything else OPEN)
    if endpoint and not found:
        require_endpoint(stores, endpoint)
    names = ("id", "endpoint", "rule", "status", "severity", "count", "opened_at", "last_seen_at", "message")
    rows = [{name: getattr(alert, name) for name in names} for alert in found]
    show_rows(
        [asdict(alert) for alert in found] if as_json else rows,
        as_json=as_json,
        empty="There are no alerts." if everything else "There are no open alerts.",
    )


@alert.command("rules")
@click.argument("endpoint")
@json_option
def list_rules(endpoint: str, *, as_json: bool) -> None:
    """List the newest verdict of each of ENDPOINT's alert rules: passed, failed or not judged."""
    from modelops_pipelines.operations.alerting.rule_states import newest_verdicts
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named

    stores = open_stores()
    names = ("window", "value", "threshold", "n", "message")
    rows = [
        {"rule": verdict.rule, "state": state_of(verdict.passed), **{name: getattr(verdict, name) for name in names}}
        for verdict in newest_verdicts(stores, endpoint_named(stores, endpoint))
    ]
    show_rows(rows, as_json=as_json, empty=f"Endpoint {endpoint!r} has no alert rules.")
