"""Alerts: what is wrong now, and what was."""

from dataclasses import asdict

import click

from modelops_pipelines.cli.output import json_option, show_rows
from modelops_pipelines.cli.project import open_stores, require_endpoint
from modelops_pipelines.core.alerting.alerts import OPEN


@click.group()
def alert() -> None:
    """Look at alerts."""


@alert.command("list")
@click.option("--endpoint", default=None, help="Of one endpoint only.")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@json_option
def list_alerts(endpoint: str | None, *, everything: bool, as_json: bool) -> None:
    """List open alerts, newest first."""
    stores = open_stores()
    found = stores.alerts.find(endpoint, None if everything else OPEN)
    if endpoint and not found:
        require_endpoint(stores, endpoint)
    names = ("id", "endpoint", "rule", "status", "severity", "count", "opened_at", "last_seen_at", "message")
    rows = [{name: getattr(one, name) for name in names} for one in found]
    show_rows(
        [asdict(one) for one in found] if as_json else rows,
        as_json=as_json,
        empty="There is no alert." if everything else "No alert is open.",
    )
