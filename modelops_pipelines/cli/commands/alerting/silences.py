"""Commands that silence alerts, list silences, and end them."""

from datetime import timedelta
from typing import Any

import click

from modelops_pipelines.cli.numbers import NUMBER
from modelops_pipelines.cli.output import echo, json_option, show_rows, show_value
from modelops_pipelines.cli.project import actor, open_stores, parse_moment
from modelops_pipelines.core.alerting.silencing.matchers import matches
from modelops_pipelines.core.durations import parse_duration
from modelops_pipelines.store.stores import Stores

_COLUMNS = ("id", "status", "matchers", "starts_at", "until", "weekly", "created_by", "reason")


@click.command()
@click.argument("number", metavar="[ID]", type=NUMBER, required=False)
@click.option("--endpoint", default=None, help="Alerts of this endpoint; here and below, * and ? are patterns.")
@click.option("--rule", default=None, help="Alerts of this rule.")
@click.option("--kind", default=None, help="Alerts of this kind.")
@click.option("--severity", default=None, help="Alerts of this severity.")
@click.option("--owner", default=None, help="Alerts of rules of this owner.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Alerts with this label; repeatable.")
@click.option("--for", "duration", default=None, help="How long, such as 2h or 7d.")
@click.option("--until", default=None, help="Until when, as ISO 8601.")
@click.option("--weekly", default=None, help='Every week, such as "Sun 02:00-04:00 Europe/Berlin".')
@click.option("--from", "start", default=None, help="From when, as ISO 8601; default: now.")
@click.option("--reason", required=True, help="Why; recorded.")
@json_option
def silence(
    number: int | None,
    labels: tuple[str, ...],
    duration: str | None,
    until: str | None,
    weekly: str | None,
    start: str | None,
    reason: str,
    *,
    as_json: bool,
    **fields: str | None,
) -> None:
    """Send no messages on some alerts for a time: on the alert ID's endpoint and rule, or on all that match.

    Alerts are raised and listed all the same, and who was told that one opened is told when it is resolved. Alerts on
    capture, security, keys and the watchers themselves are never silenced.
    """
    from modelops_pipelines.operations.alerting.life.act_on_alerts import silence as make
    from modelops_pipelines.operations.alerting.views.alerts import alert_numbered
    from modelops_pipelines.operations.alerting.views.silences import describe_silence

    stores = open_stores()
    matchers = {name: value for name, value in fields.items() if value is not None} | _labels(labels)
    if number is not None:
        if {"endpoint", "rule"} & matchers.keys():
            raise click.UsageError("An ID names its endpoint and rule: give either the ID, or --endpoint and --rule.")
        alert = alert_numbered(stores, number)
        matchers = {"endpoint": alert.endpoint, "rule": alert.rule} | matchers
    if not matchers:
        raise click.UsageError('Say which alerts: an ID, --endpoint or another option; all of them: --endpoint "*".')
    now = stores.now()
    begins = parse_moment(start) if start else None
    if sum(given is not None for given in (duration, until, weekly)) != 1 and not (weekly and until):
        raise click.UsageError("Say until when: one of --for, --until and --weekly (which may have --until).")
    ends = (begins or now) + _span(duration) if duration else parse_moment(until) if until else None
    made = make(stores, matchers, until=ends, weekly=weekly, actor=actor(), reason=reason, starts_at=begins)
    row = describe_silence(made, stores.now())
    _warn_of_nothing(stores, matchers.get("endpoint"))
    if as_json:
        show_value(row, as_json=True)
    else:
        echo(f"Silence {made.id} is {row['status']}. End it before its time: modelops alert unsilence {made.id}")


@click.command()
@click.argument("numbers", metavar="ID...", type=NUMBER, nargs=-1, required=True)
@json_option
def unsilence(numbers: tuple[int, ...], *, as_json: bool) -> None:
    """End the silences ID... now. Alerts that opened meanwhile and are still open are told then."""
    from modelops_pipelines.operations.alerting.life.act_on_alerts import end_silence
    from modelops_pipelines.operations.alerting.views.silences import describe_silence, silence_numbered

    stores = open_stores()
    rows: list[dict[str, Any]] = []
    for number in numbers:
        end_silence(stores, number, actor())
        rows.append(describe_silence(silence_numbered(stores, number), stores.now()))
    if as_json:
        show_rows(rows, as_json=True, empty="")
        return
    for row in rows:
        echo(f"Silence {row['id']} is over.")


@click.command("silences")
@click.option("--all", "everything", is_flag=True, help="Include those that are over.")
@json_option
def list_silences(*, everything: bool, as_json: bool) -> None:
    """List the silences that are active or have yet to begin, newest first. Maintenance windows: alerting.yaml."""
    from modelops_pipelines.operations.alerting.views.silences import describe_silence, find_silences

    stores = open_stores()
    now = stores.now()
    found = [describe_silence(one, now) for one in find_silences(stores, now, all_of_them=everything)]
    rows = [{name: row[name] for name in _COLUMNS} for row in found]
    show_rows(found if as_json else rows, as_json=as_json, empty="There are no silences.")


def _warn_of_nothing(stores: Stores, pattern: str | None) -> None:
    """Say that no endpoint has the name that is silenced: it may be mistyped, or come yet."""
    from modelops_pipelines.operations.alerting.watches.home_watch import WHOLE_HOME
    from modelops_pipelines.operations.endpoints.configurations import configured

    if pattern is None:
        return
    names = {WHOLE_HOME, *(spec.name for spec in configured(stores.settings))}
    names |= {alert.endpoint for alert in stores.alerts.unresolved()}
    if not any(matches({"endpoint": pattern}, {"endpoint": name}) for name in names):
        echo(f"modelops: no endpoint is named {pattern!r} yet: see 'modelops endpoint list'", err=True)


def _labels(given: tuple[str, ...]) -> dict[str, str]:
    """Return labels as matchers; raises UsageError for one without a value."""
    pairs = [text.partition("=") for text in given]
    wrong = next((name for name, equals, _ in pairs if not (name and equals)), None)
    if wrong is not None:
        raise click.UsageError(f"--label {wrong!r} is not NAME=VALUE.")
    return {f"labels.{name}": value for name, _, value in pairs}


def _span(text: str) -> timedelta:
    duration = parse_duration(text)
    if duration is None:
        raise click.UsageError(f"{text!r} is not a duration: give for example 2h or 7d.")
    return duration
