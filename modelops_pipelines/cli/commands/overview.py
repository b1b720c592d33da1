"""The command that shows every endpoint at a glance."""

from collections.abc import Mapping
from typing import Any

import click

from modelops_pipelines.cli.output import json_option, show_rows
from modelops_pipelines.cli.project import open_stores


@click.command()
@click.option("--tag", default=None, help="Only endpoints with this tag in their YAML.")
@json_option
def overview(tag: str | None, *, as_json: bool) -> None:
    """Show every endpoint at a glance, those that need a person first: failed, with open alerts, then by health.

    Requests and failures are of the last 24 hours; what monitoring found is as old as its newest run.
    """
    from modelops_pipelines.operations.endpoints.configurations import configured
    from modelops_pipelines.operations.reports.overview import overview as rows_of

    stores = open_stores()
    rows = [row for row in rows_of(stores, configured(stores.settings)) if tag is None or tag in row["tags"]]
    show_rows(rows if as_json else [_line(row) for row in rows], as_json=as_json, empty="There are no endpoints.")


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    made = row["summary"] or {}
    traffic, quality, drift = made.get("traffic"), made.get("quality"), made.get("drift")
    return {
        "endpoint": row["name"],
        "status": row["status"],
        "version": row["champion"],
        "alerts": row["open_alerts"],
        "health": made["health"]["score"] if made else None,
        "requests": traffic["requests"] if traffic else None,
        "failed": traffic["server_errors"] if traffic else None,
        "p95_ms": traffic["p95_ms"] if traffic else None,
        "quality": f"{quality['metric']} {quality['value']:.4g}" if quality else None,
        "drifted": f"{drift['drifted']} of {drift['judged']}" if drift else None,
        "measured_at": row["measured_at"],
    }
