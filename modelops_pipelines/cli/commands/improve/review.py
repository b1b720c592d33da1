"""Commands on the review queue: predictions that people judge, and what their verdicts say."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from modelops_pipelines.cli.numbers import NUMBER
from modelops_pipelines.cli.output import echo, json_option, show_rows, show_value
from modelops_pipelines.cli.progress import told_steps
from modelops_pipelines.cli.project import actor, open_stores, parse_moment
from modelops_pipelines.core.endpoints.improvement import REVIEW_REASONS
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

if TYPE_CHECKING:
    from modelops_pipelines.operations.improve.review.fill_queue import Filled

_COLUMNS = ("id", "reason", "prediction_id", "event_time", "model_version", "wanted", "verdicts", "status", "assignee")
_STATUSES = ("open", "decided", "done", "dropped")
_NOTE = click.option("--note", default="", help="What you saw; kept with the verdict.")
_item = click.argument("item", type=NUMBER)
_endpoint = click.argument("endpoint")


@click.group()
def review() -> None:
    """Work off the predictions that people are to judge; see how far reviewers agree."""


@review.command("list")
@_endpoint
@click.option("--reason", "reasons", type=click.Choice(REVIEW_REASONS), multiple=True, help="Only these; repeatable.")
@click.option("--status", "statuses", type=click.Choice(_STATUSES), multiple=True, help="Default: open; repeatable.")
@click.option("--all", "everything", is_flag=True, help="Items of every status.")
@click.option("--assignee", default=None, help="Items of this person only.")
@click.option("--mine", is_flag=True, help="Only what you have not judged yet, whoever it is assigned to.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Items on a page.")
@click.option("--cursor", default=None, help="'next' of the page before, from --json.")
@json_option
def list_reviews(  # noqa: PLR0913 - a parameter for each filter
    endpoint: str,
    reasons: tuple[str, ...],
    statuses: tuple[str, ...],
    assignee: str | None,
    limit: int,
    cursor: str | None,
    *,
    everything: bool,
    mine: bool,
    as_json: bool,
) -> None:
    """List ENDPOINT's predictions for people to judge, the most urgent first."""
    from modelops_pipelines.operations.improve.review.views import list_items, statuses_of

    stores = open_stores()
    page = list_items(
        stores,
        endpoint_named(stores, endpoint),
        reasons=reasons,
        statuses=statuses_of(everything=everything, given=statuses),
        assignee=assignee,
        not_judged_by=actor() if mine else None,
        cursor=cursor,
        limit=limit,
    )
    if as_json:
        show_value({"items": list(page.items), "next": page.next_cursor}, as_json=True)
        return
    rows = [{name: row[name] for name in _COLUMNS} for row in page.items]
    show_rows(rows, as_json=False, empty=f"There is nothing to review. Fill the queue: modelops review fill {endpoint}")
    if page.next_cursor is not None:
        echo(f"There are more: --cursor {page.next_cursor}", err=True)


@review.command("show")
@_endpoint
@_item
@json_option
def show(endpoint: str, item: int, *, as_json: bool) -> None:
    """Show the ITEM: what was answered, from which features, why it is here, and the verdicts."""
    from modelops_pipelines.operations.improve.review.views import show_item

    stores = open_stores()
    show_value(show_item(stores, endpoint_named(stores, endpoint), item, actor()), as_json=as_json)


@review.command("confirm")
@_endpoint
@_item
@_NOTE
@json_option
def confirm(endpoint: str, item: int, note: str, *, as_json: bool) -> None:
    """Say that the prediction of ITEM is right: it becomes a label."""
    _judge(endpoint, item, "confirm", None, note, as_json=as_json)


@review.command("correct")
@_endpoint
@_item
@click.argument("label")
@_NOTE
@json_option
def correct(endpoint: str, item: int, label: str, note: str, *, as_json: bool) -> None:
    """Say that LABEL, the true class or number, is right for ITEM: it becomes a label."""
    _judge(endpoint, item, "correct", label, note, as_json=as_json)


@review.command("reject")
@_endpoint
@_item
@_NOTE
@json_option
def reject(endpoint: str, item: int, note: str, *, as_json: bool) -> None:
    """Say that nobody can judge ITEM: it gives no label."""
    _judge(endpoint, item, "reject", None, note, as_json=as_json)


@review.command("assign")
@_endpoint
@_item
@click.option("--to", "assignee", default=None, help="Who judges it; default: you.")
@click.option("--nobody", is_flag=True, help="Free it.")
@click.option("--force", is_flag=True, help="Take it from the person who has it.")
@json_option
def assign(endpoint: str, item: int, assignee: str | None, *, nobody: bool, force: bool, as_json: bool) -> None:
    """Take ITEM, or assign it to somebody."""
    from modelops_pipelines.operations.improve.review.judge import assign as set_assignee

    if nobody and assignee is not None:
        raise click.UsageError("Give either --to or --nobody.")
    stores = open_stores()
    person = None if nobody else assignee or actor()
    found = set_assignee(stores, endpoint_named(stores, endpoint), item, person, force=force)
    _tell(vars(found), f"Item {item} of {endpoint} is assigned to {found.assignee or 'nobody'}.", as_json=as_json)


@review.command("reopen")
@_endpoint
@_item
@click.option("--note", required=True, help="What is wrong with its label; recorded.")
@json_option
def reopen(endpoint: str, item: int, note: str, *, as_json: bool) -> None:
    """Withdraw the labels of the done ITEM, and let its prediction be judged anew."""
    from modelops_pipelines.operations.improve.review.judge import reopen as open_again

    stores = open_stores()
    found = open_again(stores, endpoint_named(stores, endpoint), item, actor(), note)
    _tell(vars(found), f"Item {item} of {endpoint} is {found.status} again; its labels are withdrawn.", as_json=as_json)


@review.command("fill")
@_endpoint
@json_option
def fill(endpoint: str, *, as_json: bool) -> None:
    """Put into ENDPOINT's queue what its YAML's 'review' asks for, of the days that have ended."""
    from modelops_pipelines.operations.improve.review.fill_queue import fill_queue

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    with told_steps() as tell:
        tell("filling the queue")
        filled = fill_queue(stores, spec)
    if as_json:
        added = {"added": dict(filled.added), "dropped": filled.dropped, "missing": dict(filled.missing)}
        days = {"from": filled.days[0], "to": filled.days[-1]} if filled.days else {"from": None, "to": None}
        show_value(added | days, as_json=True)
        return
    for line in _filling(spec.review.reasons, filled):
        echo(line)


@review.command("agreement")
@_endpoint
@click.option("--version", default=None, help="Quality of this version only.")
@click.option("--since", default=None, help="Quality of predictions from this time on, as ISO 8601.")
@click.option("--until", default=None, help="Quality of predictions before this time, as ISO 8601.")
@json_option
def agreement(endpoint: str, version: str | None, since: str | None, until: str | None, *, as_json: bool) -> None:
    """Show how far reviewers agree (Cohen's kappa), and the quality that the random sample shows."""
    from modelops_pipelines.operations.improve.review.agreement import review_summary

    stores = open_stores()
    span = {name: parse_moment(given) for name, given in (("since", since), ("until", until)) if given}
    found = review_summary(stores, endpoint_named(stores, endpoint), version=version, **span)
    if as_json:
        show_value(found, as_json=True)
        return
    parts = {"agreement": found["agreement"], "quality": found["quality"]}
    flat = {f"{name} {key}": value for name, part in parts.items() for key, value in part.items()}
    show_value({name: found[name] for name in ("open", "done", "dropped", "oldest_open")} | flat, as_json=False)


def _filling(reasons: Sequence[str], filled: "Filled") -> Iterator[str]:
    """Yield what a filling did, a line for each reason that the YAML gives."""
    if filled.days:
        yield f"Looked at the predictions of {filled.days[0]} to {filled.days[-1]}."
    else:
        yield "No day has ended yet: the log has no later one. Only flagged predictions are looked at."
    for reason in reasons:
        count = filled.added.get(reason, 0)
        why = filled.missing.get(reason, "what there is stands in the queue already" if filled.days else "no day")
        yield f"{reason}: {count} added" if count else f"{reason}: none added ({why})"
    if filled.dropped:
        yield f"{filled.dropped} item(s) taken out: their flag was taken off before anybody judged them."


def _judge(endpoint: str, item: int, verdict: str, label: str | None, note: str, *, as_json: bool) -> None:
    from modelops_pipelines.operations.improve.review.judge import judge

    stores = open_stores()
    found = judge(stores, endpoint_named(stores, endpoint), item, verdict, actor(), label=label, note=note)
    more = "" if found.status != "open" else f": {found.wanted} verdicts are wanted, of which more than half agree"
    _tell(vars(found), f"Item {item} of {endpoint} is {found.status}{more}.", as_json=as_json)


def _tell(value: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    if as_json:
        show_value(value, as_json=True)
    else:
        echo(sentence)
