"""The command that lists messages that were given up, and has them sent again."""

import click

from modelops_pipelines.cli.output import echo, json_option, show_rows, show_value
from modelops_pipelines.cli.project import open_stores

_COLUMNS = ("message_id", "channel", "endpoint", "created_at", "attempts", "last_error", "title")


@click.command("dead-letters")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--resend", "again", is_flag=True, help="Send them again: those with these ids, or --all.")
@click.option("--all", "everything", is_flag=True, help="With --resend: all of them.")
@json_option
def list_dead_letters(ids: tuple[str, ...], *, again: bool, everything: bool, as_json: bool) -> None:
    """List the messages that no channel took and that are not tried any more, newest first; or send them again.

    A message that is sent again keeps its id, by which a receiver knows one that it has seen.
    """
    from modelops_pipelines.operations.alerting.views.dead_letters import dead_letters, resend

    stores = open_stores()
    if not again:
        if ids or everything:
            raise click.UsageError("IDs and --all belong to --resend.")
        found = dead_letters(stores)
        rows = [{name: row[name] for name in _COLUMNS} for row in found]
        show_rows(found if as_json else rows, as_json=as_json, empty="There are no dead letters.")
        return
    if bool(ids) == everything:
        raise click.UsageError("Say which: --resend ID..., or --resend --all.")
    sent = resend(stores, None if everything else ids)
    if as_json:
        show_value({"resent": sent}, as_json=True)
    else:
        echo(f"{len(sent)} message(s) will be tried again.")
