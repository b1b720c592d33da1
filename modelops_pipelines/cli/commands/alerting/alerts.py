"""Commands that list and show alerts, acknowledge and resolve them."""

from typing import Any

import click

from modelops_pipelines.cli.numbers import NUMBER
from modelops_pipelines.cli.output import echo, json_option, show_rows, show_value
from modelops_pipelines.cli.project import actor, open_stores, require_endpoint
from modelops_pipelines.core.alerting.alerts import RESOLVED, WORST_FIRST

_COLUMNS = ("id", "endpoint", "rule", "state", "severity", "count", "opened_at", "last_seen_at", "message")
_STATES = ("pending", "open", "acknowledged", "resolved")
_HISTORY = ("at", "event", "actor", "note")
_MESSAGES = ("created_at", "channel", "status", "attempts", "last_error")


@click.command("list")
@click.option("--endpoint", default=None, help="Alerts of this endpoint only.")
@click.option("--all", "everything", is_flag=True, help="Include resolved alerts.")
@click.option("--state", "states", type=click.Choice(_STATES), multiple=True, help="Alerts in this state; repeatable.")
@click.option("--severity", type=click.Choice(WORST_FIRST), default=None, help="Alerts of this severity only.")
@json_option
def list_alerts(
    endpoint: str | None, states: tuple[str, ...], severity: str | None, *, everything: bool, as_json: bool
) -> None:
    """List the alerts that are not resolved, newest first: pending, open and acknowledged ones."""
    from modelops_pipelines.operations.alerting.views.alerts import STATES, UNRESOLVED, describe_alerts, find_alerts

    stores = open_stores()
    wanted = states or (STATES if everything else UNRESOLVED)
    listed = [one for one in find_alerts(stores, endpoint, wanted) if severity in {None, one.severity}]
    found = describe_alerts(stores, listed, stores.now())
    if endpoint and not found:
        require_endpoint(stores, endpoint)
    rows = [{name: row[name] for name in _COLUMNS} for row in found]
    for row, full in zip(rows, found, strict=True):
        row["state"] = _state(full)
    show_rows(
        found if as_json else rows,
        as_json=as_json,
        empty="There are no open alerts." if set(wanted) == set(UNRESOLVED) else "There are no alerts.",
    )


def _state(row: dict[str, Any]) -> str:
    """Return an alert's state for the table, with who has taken it on, and whether it flaps or is silenced."""
    state = str(row["state"])
    by = f" by {row['acknowledged_by']}" if state == "acknowledged" else ""
    silence = f", silenced ({str(row['silenced']).partition(':')[0]})" if row["silenced"] else ""
    return f"{state}{by}{', flapping' if row['flapping'] else ''}{silence}"


@click.command()
@click.argument("number", metavar="ID", type=NUMBER)
@json_option
def show(number: int, *, as_json: bool) -> None:
    """Show the alert ID: how bad it is, likely causes with what undoes them, its history, and who was told."""
    from modelops_pipelines.channels.rendering import TEXT, render
    from modelops_pipelines.operations.alerting.views.alerts import alert_details, alert_numbered, message_on

    stores = open_stores()
    found = alert_numbered(stores, number)
    now = stores.now()
    content = message_on(stores, found, now)
    details = alert_details(stores, found, content, now)
    if as_json:
        show_value(details, as_json=True)
        return
    echo(str(render(content, TEXT)))
    echo("History")
    show_rows([{name: row[name] for name in _HISTORY} for row in details["history"]], as_json=False, empty="None.")
    echo("\nMessages")
    told = [{name: row[name] for name in _MESSAGES} for row in details["messages"]]
    withheld = bool(details["silenced"] or details["withheld"])
    empty = "No channel was told of it" + ("." if withheld else ": see alerting.yaml.")
    show_rows(told, as_json=False, empty=empty)
    if details["silenced"]:
        echo(f"\nIt is silenced now by {details['silenced']}")
    if details["withheld"]:
        echo("\nWithheld")
        show_rows(details["withheld"], as_json=False, empty="")


@click.command("ack")
@click.argument("numbers", metavar="ID...", type=NUMBER, nargs=-1, required=True)
@click.option("--note", default="", help="What you do about it; the channels that were told are told this too.")
@json_option
def acknowledge(numbers: tuple[int, ...], note: str, *, as_json: bool) -> None:
    """Acknowledge the alerts ID...: you look after them, and they are not escalated.

    It lasts until the alert is resolved. Of several people the first is named; each note is in the history.
    """
    from modelops_pipelines.operations.alerting.life.act_on_alerts import acknowledge as take_on
    from modelops_pipelines.operations.alerting.views.alerts import describe_alerts

    stores = open_stores()
    changed = [take_on(stores, number, actor(), note or None) for number in numbers]
    _tell(describe_alerts(stores, changed, stores.now()), as_json=as_json)


@click.command()
@click.argument("numbers", metavar="ID...", type=NUMBER, nargs=-1, required=True)
@click.option("--reason", required=True, help="Why it is over; recorded, and told.")
@json_option
def resolve(numbers: tuple[int, ...], reason: str, *, as_json: bool) -> None:
    """Resolve the alerts ID... by hand. When the rule fails again, an alert opens again."""
    from modelops_pipelines.operations.alerting.life.act_on_alerts import resolve as end
    from modelops_pipelines.operations.alerting.views.alerts import describe_alerts

    stores = open_stores()
    changed = [end(stores, number, actor(), reason) for number in numbers]
    _tell(describe_alerts(stores, changed, stores.now()), as_json=as_json)


def _tell(changed: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show_rows(changed, as_json=True, empty="")
        return
    for row in changed:
        by = row["resolved_by"] if row["state"] == RESOLVED else row["acknowledged_by"]
        echo(f"Alert {row['id']} ({row['endpoint']}, {row['rule']}) is {row['state']} by {by}.")
