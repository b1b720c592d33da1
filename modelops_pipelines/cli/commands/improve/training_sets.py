"""Commands on training sets: list, show, build as of a time, and build again from the log."""

import sys
from typing import Any

import click

from modelops_pipelines.cli.exit_codes import EXIT_PERMANENT
from modelops_pipelines.cli.output import echo, json_option, show_rows, show_value
from modelops_pipelines.cli.progress import told_steps
from modelops_pipelines.cli.project import open_stores, parse_moment
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

SHOWN_HASH = 12


@click.group("training-set")
def training_set() -> None:
    """List, show, build and rebuild training sets."""


@training_set.command("list")
@click.argument("endpoint")
@json_option
def list_(endpoint: str, *, as_json: bool) -> None:
    """List ENDPOINT's training sets, newest first."""
    from modelops_pipelines.operations.improve.training.descriptions import summary

    stores = open_stores()
    found = [summary(one) for one in reversed(stores.training_sets.of(endpoint_named(stores, endpoint).name))]
    short = [{**one, "content_hash": one["content_hash"][:SHOWN_HASH]} for one in found]
    empty = f"Endpoint {endpoint!r} has no training set yet: modelops training-set build {endpoint}"
    show_rows(found if as_json else short, as_json=as_json, empty=empty)


@training_set.command()
@click.argument("endpoint")
@click.argument("content_hash")
@json_option
def show(endpoint: str, content_hash: str, *, as_json: bool) -> None:
    """Show a training set of ENDPOINT: where its rows came from, why others were left out, and by which rules.

    CONTENT_HASH is its name, or the first six digits or more.
    """
    from modelops_pipelines.operations.improve.training.descriptions import describe_training_set, training_set_named

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    found = describe_training_set(stores, spec, training_set_named(stores, spec.name, content_hash))
    show_value(found if as_json else _flat(found), as_json=as_json)


@training_set.command()
@click.argument("endpoint")
@click.option("--as-of", help="Only predictions until then, and what was known by then: 2026-03-01T12:00:00Z.")
@json_option
def build(endpoint: str, as_of: str | None, *, as_json: bool) -> None:
    """Freeze a training set of ENDPOINT's log and first frame. Nothing is trained on it."""
    from modelops_pipelines.operations.improve.training.descriptions import describe_training_set
    from modelops_pipelines.operations.improve.training.sets import build_training_set

    moment = None if as_of is None else parse_moment(as_of)
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    with told_steps() as tell:
        tell("building the training set out of the log")
        built = build_training_set(stores, spec, as_of=moment)
    found = describe_training_set(stores, spec, built)
    show_value(found if as_json else _flat(found), as_json=as_json)


@training_set.command()
@click.argument("endpoint")
@click.argument("content_hash")
@json_option
def rebuild(endpoint: str, content_hash: str, *, as_json: bool) -> None:
    """Build a training set of ENDPOINT again from the log, and compare it with what was frozen. Nothing is written.

    What the log no longer has (an erased user's rows, rows past their retention) is listed, and compared as frozen.
    Exit codes: 0 every value is the same, 3 some are not.
    """
    from modelops_pipelines.operations.improve.training.descriptions import training_set_named
    from modelops_pipelines.operations.improve.training.origins import CHANGED, UNCHANGED
    from modelops_pipelines.operations.improve.training.rebuild import by_reason, rebuild_training_set

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    with told_steps() as tell:
        tell(f"building the training set {content_hash} again")
        found = rebuild_training_set(stores, spec, training_set_named(stores, spec.name, content_hash))
    lost = [vars(one) for one in found.missing]
    value: dict[str, Any] = {
        "content_hash": found.record.content_hash,
        "identical": found.identical,
        "frozen": found.frozen,
        "origins": found.origins,
        "rows": found.record.rows,
        "from_log": found.logged,
        "provided": found.provided,
        "missing": lost if as_json else by_reason(found.missing),
        "unknown": found.unknown,
    }
    show_value(value, as_json=as_json)
    if found.origins == CHANGED:
        echo(
            f"The table of origins of the set {content_hash} was changed after it was written: who labelled its rows "
            "is not known. Restore training_origins from a backup.",
            err=True,
        )
    if not found.identical:
        why = (
            f"The log does not give the set {content_hash} any more: rows or labels in it were changed. "
            if found.frozen == UNCHANGED
            else f"The frozen table of the set {content_hash} was changed: its rows do not have the content hash that "
            "is its name, and nothing is trained on it. Restore it from a backup. "
        )
        echo(f"{why}Build a new one: modelops training-set build {endpoint}", err=True)
    if not found.identical or found.origins == CHANGED:
        sys.exit(EXIT_PERMANENT)


def _flat(found: dict[str, Any]) -> dict[str, Any]:
    """Return a set with the parts of its manifest as values of their own."""
    manifest = found["manifest"] or {}
    counts = manifest.get("counts", {})
    parts = {"by_origin": counts.get("by_origin"), "reasons": counts.get("left_out")}
    named = {name: manifest.get(name) for name in ("tables", "code_hash", "yaml_hash", "policy")}
    verdicts = {f"check {one['guard']}": f"{one['verdict']}. {one['message']}" for one in found["checks"]}
    rest = {name: value for name, value in found.items() if name not in {"manifest", "checks"}}
    return {**rest, **verdicts, **parts, **named}
