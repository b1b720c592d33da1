"""The group ``modelops log``: import a log of predictions that others made."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelops_pipelines.cli.exit_codes import EXIT_PERMANENT
from modelops_pipelines.cli.output import echo, json_option, show_rows, show_value
from modelops_pipelines.cli.project import open_stores
from modelops_pipelines.core.capture.elsewhere.mapping import TIME_UNITS, LogMapping
from modelops_pipelines.core.durations import format_duration

if TYPE_CHECKING:
    from modelops_pipelines.core.endpoints.spec import EndpointSpec
    from modelops_pipelines.operations.capture.elsewhere.import_log import ImportedLog, Preview

_FORMATS = ("databricks", "sagemaker", "kserve")
_Path = click.Path(exists=True, dir_okay=False, path_type=Path)


def _pairs(_context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Return NAME=VALUE pairs."""
    for one in given:
        if "=" not in one:
            raise click.BadParameter(f"{one!r} is not NAME=VALUE", param=option)
    return {name: value for name, _, value in (one.partition("=") for one in given)}


def _listed(_context: click.Context, _option: click.Parameter, given: str | None) -> tuple[str, ...]:
    """Return a list of names that commas separate."""
    return tuple(one.strip() for one in given.split(",")) if given else ()


@click.group()
def log() -> None:
    """Import predictions that others made, into endpoints with 'served: elsewhere' in their YAML."""


@log.command("import")
@click.argument("endpoint")
@click.argument("source", nargs=-1, required=True)
@click.option("--mapping", type=_Path, default=None, help="YAML file with the columns; options go before it.")
@click.option("--format", "layout", type=click.Choice(_FORMATS), default=None, help="A platform's layout.")
@click.option("--id", multiple=True, help="Column by which a row is found again; repeatable.")
@click.option("--time", default=None, help="Column of the prediction's time.")
@click.option("--time-unit", type=click.Choice(TIME_UNITS), default=None, help="Unit of a time that is a number.")
@click.option("--version", default=None, help="Column of the model's version.")
@click.option("--user", default=None, help="Column of the user.")
@click.option("--session", default=None, help="Column of the session.")
@click.option("--prediction", default=None, help="Column of the predicted class or number.")
@click.option("--score", default=None, help="Column of the score: the probability of the positive class.")
@click.option("--probabilities", multiple=True, help="Column of a class's probability; repeat in the order of classes.")
@click.option("--classes", callback=_listed, default=None, help="Order of the probabilities, separated by commas.")
@click.option("--status", default=None, help="Column of the HTTP status; default: all were answered.")
@click.option("--error", default=None, help="Column of the error's code.")
@click.option("--latency-ms", default=None, help="Column of the latency in milliseconds.")
@click.option("--label", default=None, help="Column of the label, where it is known.")
@click.option(
    "--labelled-at", default=None, help="Column of when the label became known; default: with the prediction."
)
@click.option("--feature", "features", multiple=True, help="Column of a feature; repeatable. Default: all others.")
@click.option("--rename", multiple=True, callback=_pairs, help="COLUMN=NAME: the feature's name in the log.")
@click.option("--type", "types", multiple=True, callback=_pairs, help="NAME=TYPE: text, int, float, bool or timestamp.")
@click.option("--names", callback=_listed, default=None, help="With --format: names of features that have none.")
@click.option(
    "--answers", "answers_are", type=click.Choice(("class", "score")), default="class", show_default=True,
    help="With --format: what a single answer is.",
)  # fmt: skip
@click.option("--url-env", default=None, help="Variable with the URL of the database that a .sql file queries.")
@click.option("--dry-run", is_flag=True, help="Show the mapping, ten rows and what would be refused.")
@json_option
def import_(  # noqa: PLR0913 - an option for each
    endpoint: str,
    source: tuple[str, ...],
    mapping: Path | None,
    layout: str | None,
    names: tuple[str, ...],
    answers_are: str,
    url_env: str | None,
    *,
    dry_run: bool,
    as_json: bool,
    **columns: Any,
) -> None:
    """Import the predictions in each SOURCE, each row once, however often it is imported.

    A SOURCE is a CSV or JSON-lines file, also with .gz behind it, a Parquet file, a pattern of files, a folder with a
    Delta table, or a .sql file with one SELECT, which reads files beside it, or the database of --url-env. Exit codes:
    0 all sources were read, 3 a part of one was not.
    """
    from modelops_pipelines.operations.capture.elsewhere.formats import MAPPING
    from modelops_pipelines.operations.capture.elsewhere.import_log import import_log, preview_log
    from modelops_pipelines.operations.capture.elsewhere.mapping_file import read_mapping, with_options
    from modelops_pipelines.operations.capture.elsewhere.sources import SourceOptions
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    begun = MAPPING if layout else LogMapping()
    wanted = with_options(read_mapping(mapping) if mapping else begun, columns)
    if layout and mapping:
        wanted = with_options(begun, {k: getattr(wanted, k) for k in ("features", "rename", "types", "classes")})
    options = SourceOptions(layout, url_env, names, answers_are)
    if dry_run:
        preview = preview_log(stores, spec, source, wanted, options)
        _show_preview(preview, as_json=as_json)
        faults = preview.faults
    else:
        done = import_log(stores, spec, source, wanted, options, _tell_progress)
        _show_import(done, spec, as_json=as_json)
        faults = done.faults
    if faults:
        sys.exit(EXIT_PERMANENT)


def _tell_progress(done: "ImportedLog") -> None:
    echo(f"{done.read:,} row(s) read, {done.predictions:,} new, {done.refused:,} refused ...", err=True)


def _show_import(done: "ImportedLog", spec: "EndpointSpec", *, as_json: bool) -> None:
    if as_json:
        show_value(asdict(done), as_json=True)
    else:
        echo(
            f"{done.read:,} row(s) read: {done.predictions:,} new prediction(s), {done.repeated:,} stored before, "
            f"{done.labels:,} new label(s), {done.refused:,} refused."
        )
    _tell_losses(done.faults, done.refusals, done.left_out)
    if done.unfinished:
        echo(f"{done.unfinished:,} record(s) had no other half: import their files together.", err=True)
    if done.refused_file:
        echo(f"All refused rows: {done.refused_file}", err=True)
    kept = spec.retention.predictions
    if done.past_retention and kept is not None:
        echo(
            f"{done.past_retention:,} prediction(s) are older than the {format_duration(kept)} that the log is kept: "
            "the next maintenance deletes them; what is computed of them stays. To keep them, set "
            "'retention: {predictions: never}' in the endpoint's YAML.",
            err=True,
        )


def _show_preview(preview: "Preview", *, as_json: bool) -> None:
    if as_json:
        show_value(asdict(preview), as_json=True)
    else:
        show_value({**preview.mapping, "features": preview.features}, as_json=False)
        echo("")
        show_rows(preview.rows, as_json=False, empty="No row could be taken.")
        echo(f"\n{preview.read:,} row(s) read, {preview.refused:,} would be refused. Nothing was written.")
    _tell_losses(preview.faults, preview.refusals, preview.left_out)


def _tell_losses(faults: tuple[str, ...], refusals: tuple[str, ...], left_out: tuple[str, ...]) -> None:
    for said in (*faults, *refusals):
        echo(said, err=True)
    if left_out:
        echo(f"Left out, for they hold lists or objects: {', '.join(left_out)}", err=True)
