"""Commands that list, show and count feedback."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from modelops_pipelines.cli.output import as_text, echo, json_option, show_rows, show_value
from modelops_pipelines.cli.project import open_stores, parse_moment
from modelops_pipelines.core.improve.feedback.search import LIMIT, MOST_ROWS, THUMBS, FeedbackSearch
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

_RATING = click.IntRange(1, 5)
_SHORT = 40
_OPTIONS = (
    click.option("--rating-from", type=_RATING, default=None, help="Rated this or higher."),
    click.option("--rating-to", type=_RATING, default=None, help="Rated this or lower."),
    click.option("--thumbs", type=click.Choice(THUMBS), default=None, help="With these thumbs."),
    click.option("--version", default=None, help="On predictions of this version."),
    click.option("--text", default=None, help="With this in the comment, in any case."),
    click.option("--category", default=None, help="With this category."),
    click.option("--flagged/--not-flagged", default=None, help="Flagged for review, or not."),
    click.option("--assignee", default=None, help="Assigned to this person."),
    click.option("--accepted/--not-accepted", default=None, help="Accepted for training, or not."),
    click.option("--corrected/--not-corrected", default=None, help="With a corrected label, or without."),
    click.option("--prediction-id", default=None, help="On this prediction."),
    click.option("--since", default=None, help="Received then or later, as ISO 8601."),
    click.option("--until", default=None, help="Received before, as ISO 8601."),
)


def conditions(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a search."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def search_of(given: Mapping[str, Any]) -> FeedbackSearch:
    """Return the conditions that the options stand for; raises UsageError for a time that is none."""
    times = {name: parse_moment(given[name]) if given[name] else None for name in ("since", "until")}
    return FeedbackSearch(**{**given, **times})


@click.command("list")
@click.argument("endpoint")
@conditions
@click.option("--limit", type=click.IntRange(1, MOST_ROWS), default=LIMIT, show_default=True, help="Number of rows.")
@click.option("--cursor", default=None, help="Go on from here: 'next' of the page before.")
@json_option
def list_feedback(endpoint: str, limit: int, cursor: str | None, *, as_json: bool, **given: Any) -> None:
    """List ENDPOINT's feedback that meets all conditions, newest first, also what came a moment ago.

    A page goes on where the page before ended, whatever came or was deleted meanwhile.
    """
    from modelops_pipelines.operations.improve.feedback.find_feedback import find_feedback

    stores = open_stores()
    page = find_feedback(stores, endpoint_named(stores, endpoint), search_of(given), limit=limit, cursor=cursor)
    if as_json:
        echo(as_text({"feedback": page.rows, "next": page.next, "complete": page.complete}))
        return
    show_rows([_as_line(row) for row in page.rows], as_json=False, empty="There is no such feedback.")
    if page.next is not None:
        echo(f"There is more: add --cursor {page.next}", err=True)
    if not page.complete:
        echo("Incomplete: the spool holds more than one search reads. It is ingested within the hour.", err=True)


@click.command()
@click.argument("endpoint")
@click.argument("feedback_id", metavar="ID")
@json_option
def show(endpoint: str, feedback_id: str, *, as_json: bool) -> None:
    """Show the feedback ID on ENDPOINT: what was said and predicted, and who did what with it."""
    from modelops_pipelines.operations.improve.feedback.act_on_feedback import history
    from modelops_pipelines.operations.improve.feedback.find_feedback import feedback_of

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    found = feedback_of(stores, spec, feedback_id)
    events = history(stores, spec, feedback_id)
    if as_json:
        show_value({**found, "history": events}, as_json=True)
        return
    show_value(found, as_json=False)
    echo("\nHistory")
    shown = ("at", "action", "actor", "note")
    show_rows([{name: event[name] for name in shown} for event in events], as_json=False, empty="None.")


@click.command()
@click.argument("endpoint")
@conditions
@json_option
def stats(endpoint: str, *, as_json: bool, **given: Any) -> None:
    """Count ENDPOINT's feedback that meets all conditions: ratings, thumbs; by version, category and day."""
    from modelops_pipelines.operations.improve.feedback.statistics import feedback_statistics

    stores = open_stores()
    counted = feedback_statistics(stores, endpoint_named(stores, endpoint), search_of(given))
    if as_json:
        show_value(counted, as_json=True)
        return
    show_value({name: value for name, value in counted.items() if not name.startswith("by_")}, as_json=False)
    for name in ("version", "category", "day"):
        if counted[f"by_{name}"]:
            echo("")
            show_rows(counted[f"by_{name}"], as_json=False, empty="")


def _as_line(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns shown in the table for people."""
    comment = row["comment"] or ""
    return {
        "received_at": text(row["received_at"])[:19].replace("T", " "),
        "feedback_id": row["feedback_id"],
        "version": row["model_version"],
        "prediction": row["prediction"],
        "rating": row["rating"],
        "thumbs": row["thumbs"],
        "corrected": row["corrected_label"],
        "flagged": row["flagged"],
        "accepted": row["accepted_label"],
        "comment": comment if len(comment) <= _SHORT else f"{comment[: _SHORT - 3]}...",
    }
