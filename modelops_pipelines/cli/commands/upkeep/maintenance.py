"""The commands that maintain a home and list what maintenance has deleted."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import click

from modelops_pipelines.cli.numbers import NUMBER
from modelops_pipelines.cli.output import as_text, echo, json_option, show_rows, table
from modelops_pipelines.cli.project import open_stores
from modelops_pipelines.core.maintenance.effects import Effect, Outcome


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--only", multiple=True, metavar="TASK", help="Run this task only; may be repeated.")
@json_option
def maintain(only: Sequence[str], *, dry_run: bool, as_json: bool) -> None:
    """Compact the lake, remove old files, and delete what is past its retention.

    It is safe beside traffic, ingests and erasures, and after a kill: run it again. Dagster's job `maintenance` does
    the same every day. A task that fails does not stop the others; the exit code is then not 0.
    """
    from modelops_pipelines.operations.maintenance.all_tasks import TASKS
    from modelops_pipelines.operations.maintenance.run import chosen, require_success, run_tasks

    tasks = chosen(TASKS, only)
    stores = open_stores()
    outcomes = run_tasks(stores, tasks, stores.now(), dry_run=dry_run)
    if as_json:
        echo(as_text([asdict(one) for one in outcomes]))
    else:
        _show(outcomes, dry_run=dry_run)
    require_success(outcomes)


@click.command()
@click.option("--endpoint", default=None, help="Of this endpoint only.")
@click.option("--kind", default=None, help="Of this kind only, such as 'lake rows'.")
@click.option("--limit", type=NUMBER, default=50, show_default=True, help="At most this many.")
@json_option
def deletions(endpoint: str | None, kind: str | None, limit: int, *, as_json: bool) -> None:
    """List what maintenance has deleted, newest first: what, when, how much, why.

    Without a time of its end, a deletion is under way, or was killed: the next maintenance finishes it.
    """
    found = open_stores().deletions.newest(limit, endpoint, kind)
    names = ("at", "finished_at", "kind", "endpoint", "item", "items", "bytes", "reason")
    rows = [asdict(one) if as_json else {name: getattr(one, name) for name in names} for one in found]
    show_rows(rows, as_json=as_json, empty="Maintenance has deleted nothing.")


def _show(outcomes: Sequence[Outcome], *, dry_run: bool) -> None:
    rows = list(_rows(outcomes))
    if rows:
        echo(table(rows))
    done = "would be done" if dry_run else "done"
    seconds = sum(one.seconds for one in outcomes)
    echo(f"{len(rows)} change(s) {done}, {len(outcomes)} task(s), {seconds:.1f} s.", err=True)


def _rows(outcomes: Iterable[Outcome]) -> Iterable[dict[str, Any]]:
    for outcome in outcomes:
        for effect in outcome.effects:
            yield {"task": outcome.task, **_row(effect)}


def _row(effect: Effect) -> dict[str, Any]:
    names = ("action", "kind", "endpoint", "item", "items", "bytes", "reason")
    return {name: getattr(effect, name) for name in names}
