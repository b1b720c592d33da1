"""The command that shows an endpoint's newest requests and predictions."""

from dataclasses import asdict
from typing import Any

import click

from modelops_pipelines.cli.output import as_text, echo, json_option, show_rows
from modelops_pipelines.cli.project import open_stores
from modelops_pipelines.core.capture.log_search import LIMIT, MOST_ROWS, SINCE, STATUSES, LogSearch
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.capture.recent_logs import RecentLogs, recent_logs
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

_LIMIT = click.IntRange(1, MOST_ROWS)


@click.command()
@click.argument("endpoint")
@click.option("--limit", type=_LIMIT, default=LIMIT, show_default=True, help="Number of rows.")
@click.option(
    "--since", default=SINCE, show_default=True, help="Time span up to now, for example 15m or 7d; at most 30d."
)
@click.option("--status", type=click.Choice(STATUSES), default=None, help="Answered or failed requests only.")
@click.option("--user", default=None, help="Rows of this user only, as callers send it in X-User-Id.")
@click.option("--request-id", default=None, help="This request only, at any time; accepts a prediction's id as well.")
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
    """Show ENDPOINT's newest log rows, newest first; --json includes their features.

    This includes rows that the gateway on this machine has captured and that are not ingested yet.
    """
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    found = recent_logs(stores, spec, LogSearch(limit, since, status, user, request_id))
    if as_json:
        echo(as_text({"endpoint": endpoint, **asdict(found)}))
        return
    show_rows(
        [_as_line(row) for row in found.rows], as_json=False, empty=f"There are no rows since {text(found.since)[:16]}."
    )
    echo(_freshness(found), err=True)


def _as_line(row: dict[str, Any]) -> dict[str, Any]:
    """Return the columns shown in the table for people."""
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
        "cache_hit": row["cache_hit"],
    }


def _freshness(found: RecentLogs) -> str:
    watermark = (
        "nothing is ingested yet" if found.ingested_up_to is None else f"ingested up to {text(found.ingested_up_to)}"
    )
    more = "" if found.complete else "; incomplete: the spool holds more rows than one search reads"
    return f"{len(found.rows)} row(s), {watermark}{more}."
