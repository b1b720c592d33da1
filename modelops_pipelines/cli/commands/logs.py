"""What an endpoint was asked lately, and what it answered."""

from dataclasses import asdict
from typing import Any

import click

from modelops_pipelines.cli.output import as_text, json_option, show_rows
from modelops_pipelines.cli.project import open_stores
from modelops_pipelines.core.capture.log_search import LIMIT, MOST_ROWS, SINCE, STATUSES, LogSearch
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.capture.recent_logs import RecentLogs, recent_logs
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

_LIMIT = click.IntRange(1, MOST_ROWS)


@click.command()
@click.argument("endpoint")
@click.option("--limit", type=_LIMIT, default=LIMIT, show_default=True, help="How many rows.")
@click.option("--since", default=SINCE, show_default=True, help="How far back, for example 15m or 7d; at most 30d.")
@click.option("--status", type=click.Choice(STATUSES), default=None, help="Answered or failed ones only.")
@click.option("--user", default=None, help="Of this user only, as callers send it in X-User-Id.")
@click.option("--request-id", default=None, help="This request only, whenever it was; a prediction's id does too.")
@json_option
def logs(
    endpoint: str,
    limit: int,
    since: str,
    status: str | None,
    user: str | None,
    request_id: str | None,
    *,
    as_json: bool,
) -> None:
    """Show ENDPOINT's newest log rows, newest first; --json shows their features too.

    Rows that the gateway of this machine has captured and nobody has ingested yet are among them.
    """
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    found = recent_logs(stores, spec, LogSearch(limit, since, status, user, request_id))
    if as_json:
        click.echo(as_text({"endpoint": endpoint, **asdict(found)}))
        return
    show_rows([_as_line(row) for row in found.rows], as_json=False, empty=f"No row since {text(found.since)[:16]}.")
    click.echo(_freshness(found), err=True)


def _as_line(row: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that people look at."""
    return {
        "event_time": text(row["event_time"])[:19].replace("T", " "),
        "prediction_id": row["prediction_id"],
        "version": row["model_version"],
        "status": row["status"],
        "prediction": row["error_code"] or row["prediction"],
        "score": row["score"],
        "ms": row["latency_ms"],
        "user": row["user_id"],
        "source": row["source"],
    }


def _freshness(found: RecentLogs) -> str:
    up_to = (
        "nothing is ingested yet" if found.ingested_up_to is None else f"ingested up to {text(found.ingested_up_to)}"
    )
    more = "" if found.complete else "; more rows wait to be ingested than were looked through"
    return f"{len(found.rows)} row(s), {up_to}{more}."
