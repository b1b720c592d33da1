"""Commands that flag, assign, accept and delete feedback."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from modelops_pipelines.cli.output import echo, json_option, show_rows
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

_ids: Callable[[Any], Any] = click.argument("numbers", metavar="ID...", nargs=-1, required=True)
_note: Callable[[Any], Any] = click.option("--note", default="", help="Kept in the history.")


@click.command()
@click.argument("endpoint")
@_ids
@_note
@json_option
def flag(endpoint: str, numbers: tuple[str, ...], note: str, *, as_json: bool) -> None:
    """Flag the feedback ID... on ENDPOINT for review."""
    from modelops_pipelines.operations.improve.feedback import act_on_feedback as acts

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    _tell([acts.flag(stores, spec, one, actor(), note) for one in numbers], "is flagged", as_json=as_json)


@click.command()
@click.argument("endpoint")
@_ids
@_note
@json_option
def unflag(endpoint: str, numbers: tuple[str, ...], note: str, *, as_json: bool) -> None:
    """Take the flag off the feedback ID... on ENDPOINT."""
    from modelops_pipelines.operations.improve.feedback import act_on_feedback as acts

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    _tell([acts.unflag(stores, spec, one, actor(), note) for one in numbers], "is not flagged", as_json=as_json)


@click.command()
@click.argument("endpoint")
@_ids
@click.option("--to", "assignee", required=True, help='Who looks after it; "" for nobody.')
@_note
@json_option
def assign(endpoint: str, numbers: tuple[str, ...], assignee: str, note: str, *, as_json: bool) -> None:
    """Assign the feedback ID... on ENDPOINT to a person."""
    from modelops_pipelines.operations.improve.feedback import act_on_feedback as acts

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    changed = [acts.assign(stores, spec, one, actor(), assignee or None, note) for one in numbers]
    _tell(changed, f"is assigned to {assignee or 'nobody'}", as_json=as_json)


@click.command()
@click.argument("endpoint")
@_ids
@click.option("--label", default=None, help="The true class or number; default: the corrected label.")
@_note
@json_option
def accept(endpoint: str, numbers: tuple[str, ...], label: str | None, note: str, *, as_json: bool) -> None:
    """Accept the feedback ID... on ENDPOINT as labels for training, each once.

    Without --label it is the corrected label, and with thumbs up the prediction. One that cannot be accepted stops no
    other.
    """
    from modelops_pipelines.operations.improve.feedback import act_on_feedback as acts

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    done, refused = [], {}
    for one in numbers:
        try:
            done.append(acts.accept(stores, spec, one, actor(), label, note))
        except ModelOpsError as error:
            refused[one] = error
    if as_json:
        show_rows([{**asdict(found), "accepted_now": fresh} for found, fresh in done], as_json=True, empty="")
    else:
        for found, fresh in done:
            how = "is accepted" if fresh else f"was accepted by {found.actor}"
            echo(f"Feedback {found.feedback_id} {how} with the label {found.label}.")
    if refused:
        if len(numbers) > 1:
            echo(f"Not accepted: {', '.join(refused)}.", err=True)
        raise next(iter(refused.values()))


@click.command()
@click.argument("endpoint")
@_ids
@json_option
def delete(endpoint: str, numbers: tuple[str, ...], *, as_json: bool) -> None:
    """Delete the feedback ID... on ENDPOINT: nothing shows it, counts it or learns from it any more.

    The next maintenance removes its content from the disk. It cannot be undone.
    """
    from modelops_pipelines.operations.improve.feedback import act_on_feedback as acts

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    done = [(one, acts.delete(stores, spec, one, actor())) for one in numbers]
    if as_json:
        show_rows([{"feedback_id": one, "deleted_now": fresh} for one, fresh in done], as_json=True, empty="")
        return
    for one, fresh in done:
        echo(f"Feedback {one} {'is' if fresh else 'was already'} deleted.")


def _tell(changed: list[dict[str, Any]], what: str, *, as_json: bool) -> None:
    if as_json:
        show_rows(changed, as_json=True, empty="")
        return
    for row in changed:
        echo(f"Feedback {row['feedback_id']} {what}.")
