"""Commands on an endpoint's alert rules: list them, and add and remove rules at run time."""

from collections.abc import Mapping
from typing import Any

import click

from modelops_pipelines.cli.groups import DefaultCommandGroup
from modelops_pipelines.cli.output import echo, json_option, show_rows, show_value
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.core.escaping import visible

_COLUMNS = ("rule", "state", "severity", "source", "window", "value", "threshold", "n", "message")


class _Rules(DefaultCommandGroup):
    default = "list"


@click.group(cls=_Rules)
def rules() -> None:
    """List an endpoint's alert rules ('list' may be left out); add, remove and export those made at run time."""


@rules.command("list")
@click.argument("endpoint")
@json_option
def list_rules(endpoint: str, *, as_json: bool) -> None:
    """List ENDPOINT's alert rules in force with the newest verdict of each: passed, failed or not judged."""
    from modelops_pipelines.operations.alerting.views.rules import rule_rows
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named

    stores = open_stores()
    found = rule_rows(stores, endpoint_named(stores, endpoint))
    rows = [{name: row[name] for name in _COLUMNS} for row in found]
    show_rows(found if as_json else rows, as_json=as_json, empty=f"Endpoint {endpoint!r} has no alert rules.")


@rules.command("add")
@click.argument("endpoint")
@click.argument("settings", metavar="KEY=VALUE...", nargs=-1)
@click.option("--file", "file", type=click.File("r"), default=None, help="A YAML file with the rule; - for stdin.")
@json_option
def add_rule(endpoint: str, settings: tuple[str, ...], file: Any, *, as_json: bool) -> None:
    """Add a rule to ENDPOINT at run time; one of the same name that was added so is replaced as a whole.

    Its keys are those of 'alerts' in the YAML, for example: kind=latency percentile=99 above=800 for=5m
    labels.team=ops. It is kept in the state, with each of its versions; a rule of the YAML stays as the YAML says.
    """
    from modelops_pipelines.operations.alerting.life.change_rules import add_rule as add
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named

    if bool(settings) == (file is not None):
        raise click.UsageError("Give the rule as KEY=VALUE, or in a --file.")
    stores = open_stores()
    given = _from_file(file) if file is not None else _from_settings(settings)
    spec = endpoint_named(stores, endpoint)
    before = {one.name: one.rule for one in stores.runtime_rules.of(spec.name)}
    made = add(stores, spec, given, actor=actor())
    if as_json:
        show_value(vars(made), as_json=True)
    else:
        echo(f"Rule {made.name} of {endpoint} is in force (version {made.version}).{_replaced(before.get(made.name))}")


@rules.command("try")
@click.argument("endpoint")
@click.argument("settings", metavar="KEY=VALUE...", nargs=-1)
@click.option("--file", "file", type=click.File("r"), default=None, help="A YAML file with the rule; - for stdin.")
@json_option
def try_rule(endpoint: str, settings: tuple[str, ...], file: Any, *, as_json: bool) -> None:
    """Try a rule of ENDPOINT before it is added: what it would have said of the last 30 days, and a trial.

    Its keys are those of 'add'. The alerts are listed that it would have opened, oldest first. Nothing is written, and
    nobody is told.
    """
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named
    from modelops_pipelines.operations.testing.rule_trials.try_change import try_change

    if bool(settings) == (file is not None):
        raise click.UsageError("Give the rule as KEY=VALUE, or in a --file.")
    stores = open_stores()
    given = _from_file(file) if file is not None else _from_settings(settings)
    tried = try_change(stores, endpoint_named(stores, endpoint), given).describe()
    if as_json:
        show_value(tried, as_json=True)
        return
    for name, past in (("would have", tried["past"]), ("in force now, it has", tried["before"])):
        if past is not None:
            echo(f"{tried['rule']}, {name}: {_past_words(past)}", err=True)
    echo(f"On synthetic requests it {tried['trial']['result']}: {tried['trial']['reason']}", err=True)
    show_rows(tried["past"]["alerts"], as_json=False, empty="It would have opened no alert.")


@rules.command("remove")
@click.argument("endpoint")
@click.argument("name")
@json_option
def remove_rule(endpoint: str, name: str, *, as_json: bool) -> None:
    """Remove the rule NAME that was added to ENDPOINT at run time."""
    from modelops_pipelines.operations.alerting.life.change_rules import remove_rule as remove
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named

    stores = open_stores()
    removed = remove(stores, endpoint_named(stores, endpoint), name, actor=actor())
    if as_json:
        show_value(vars(removed), as_json=True)
    else:
        echo(f"Rule {removed.name} of {endpoint} is removed.")


@rules.command("export")
@click.argument("endpoint")
@json_option
def export_rules(endpoint: str, *, as_json: bool) -> None:
    """Print ENDPOINT's rules in force as the 'alerts' of its YAML; those made at run time with who made them.

    Put them in the place of the 'alerts' under 'attributes' of the file; appended to it, they would be there twice.
    """
    from modelops_pipelines.operations.alerting.life.change_rules import export_rules as export
    from modelops_pipelines.operations.alerting.views.rules import rule_rows
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    if as_json:
        show_rows([row["definition"] for row in rule_rows(stores, spec)], as_json=True, empty="")
    else:
        echo(export(stores, spec), nl=False)


def _past_words(past: Mapping[str, Any]) -> str:
    if past["why_none"]:
        return f"no verdict in {past['days']} days: {past['why_none']}"
    counts = ", ".join(f"{count} {state}" for state, count in past["counts"].items())
    return f"{len(past['alerts'])} alert(s) in {past['days']} days, of verdicts {counts}"


def _replaced(before: Mapping[str, Any] | None) -> str:
    """Return what a rule replaced, as it was: what is not given again is gone."""
    if before is None:
        return ""
    was = visible(", ".join(f"{key}: {value}" for key, value in before.items()))
    return f" It replaces the one before as a whole ({was})."


def _from_settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """Return a rule from KEY=VALUE; a value is read as YAML reads it."""
    rule: dict[str, Any] = {}
    keys: set[str] = set()
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not (key and equals):
            raise click.UsageError(f"{setting!r} is not KEY=VALUE.")
        if key in keys:
            raise click.UsageError(f"{visible(key)} is given twice: keep one of them.")
        keys.add(key)
        place, _, name = key.partition(".")
        value = _yaml(text)
        if name:
            rule.setdefault(place, {})[name] = str(text)
        else:
            rule[key] = value
    return rule


def _from_file(file: Any) -> dict[str, Any]:
    found = _yaml(file.read())
    if isinstance(found, list) and len(found) == 1:
        [found] = found
    if not isinstance(found, dict):
        raise click.UsageError("The file has no rule: give one mapping with 'kind' and its threshold.")
    return found


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise click.UsageError(f"{text[:80]!r} is not YAML ({error})") from error
