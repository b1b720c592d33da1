"""The group ``modelops labels``: import them from a file, and show what became of labels from elsewhere."""

import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelops_pipelines.cli.exit_codes import EXIT_PERMANENT
from modelops_pipelines.cli.output import echo, json_option, show_rows, show_value
from modelops_pipelines.cli.project import open_stores
from modelops_pipelines.core.durations import parse_duration
from modelops_pipelines.core.endpoints.improvement import LabelSource

if TYPE_CHECKING:
    from modelops_pipelines.core.endpoints.spec import EndpointSpec
    from modelops_pipelines.operations.improve.labels.source_counts import SourceCounts
    from modelops_pipelines.store.state.improve.label_sources import SourceProgress

IMPORTED = "import"
"""The source of labels that were imported by hand."""


@click.group()
def labels() -> None:
    """Import labels from files, show the endpoint's label sources, and the rows that are labels of no prediction."""


@labels.command("import")
@click.argument("endpoint")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--label", default="label", show_default=True, help="Column of the label.")
@click.option("--labelled-at", default=None, help="Column of the time when the label became known; default: now.")
@click.option("--prediction-id", default=None, help="Key: the column of the prediction's id.")
@click.option("--request-id", default=None, help="Key: the column of the caller's own request id.")
@click.option("--row", default=None, help="With --request-id: the column of the row in the request; default: row 0.")
@click.option("--entity", multiple=True, help="Key: a column that the log has too; repeatable. Needs --time.")
@click.option("--time", default=None, help="With --entity: the column of the entity's time.")
@click.option("--within", default="1d", show_default=True, help="With --entity: how far before it at most.")
@json_option
def import_(endpoint: str, file: Path, within: str, *, as_json: bool, **columns: Any) -> None:
    """Import the labels of a CSV, Parquet or JSON-lines FILE, each row once, however often.

    A row finds its prediction by one key; without any, by the column 'prediction_id'. Rows that match nothing yet are
    kept, and tried again within the endpoint's label horizon. Exit codes: 0 the file was read, 3 a part of it was not.
    """
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named
    from modelops_pipelines.operations.improve.labels.import_labels import import_file

    columns["entity"] = tuple(columns["entity"])
    keys = [name for name in ("prediction_id", "request_id", "entity") if columns[name]]
    if len(keys) > 1:
        raise click.UsageError("Give one key: --prediction-id, --request-id or --entity.")
    if not keys:
        columns["prediction_id"] = "prediction_id"
    if bool(columns["entity"]) != (columns["time"] is not None):
        raise click.UsageError("--entity and --time belong together.")
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    source = LabelSource(IMPORTED, "files", path=_pattern(file), within=_span(within), **columns)
    done, matching = import_file(stores, spec, source)
    row = {**asdict(done), "matched_by_key": matching.matched}
    if as_json:
        show_value(row, as_json=True)
    else:
        echo(
            f"{done.read} row(s) read: {done.labels} new label(s), {done.keyed} with another key, of which and of "
            f"earlier ones {matching.matched} matched now; {done.refused} row(s) refused."
        )
        for said in (*done.faults, *done.refusals):
            echo(said, err=True)
        if done.refused:
            echo(f"Show what is no label: modelops labels unmatched {endpoint}", err=True)
    if done.faults:
        sys.exit(EXIT_PERMANENT)


@labels.command()
@click.argument("endpoint")
@click.option("--read", is_flag=True, help="Read all sources now.")
@json_option
def sources(endpoint: str, *, read: bool, as_json: bool) -> None:
    """Show the label sources of ENDPOINT: rows by what became of them, and the latest fault.

    All rows of a source are matched (labels of a prediction) or unmatched; the unmatched are waiting (for a prediction,
    within the label horizon), ambiguous (the key fits several requests), expired (the horizon has passed) or refused
    (the row cannot be a label). 'modelops labels unmatched' lists them.
    """
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named
    from modelops_pipelines.operations.improve.labels.source_counts import counts_of

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    if read:
        from modelops_pipelines.operations.improve.labels.import_labels import import_labels

        import_labels(stores, spec)
    counted, progress = counts_of(stores, spec), stores.label_sources.of(endpoint)
    rows = [_source_row(spec, name, counted, progress) for name in _names(spec, counted)]
    hint = f"{endpoint} has no label sources: add 'label_sources' to its YAML, or send labels to the gateway."
    show_rows(rows, as_json=as_json, empty=hint)


@labels.command()
@click.argument("endpoint")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many.")
@json_option
def unmatched(endpoint: str, limit: int, *, as_json: bool) -> None:
    """List the newest rows that are labels of no prediction, with the reason: waiting, expired, ambiguous, refused."""
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named
    from modelops_pipelines.operations.improve.labels.source_counts import unmatched as find

    stores = open_stores()
    rows = find(stores, endpoint_named(stores, endpoint), limit)
    shown = rows if as_json else [_short(row) for row in rows]
    show_rows(shown, as_json=as_json, empty="Every label has its prediction.")


def _source_row(
    spec: "EndpointSpec", name: str, counted: "dict[str, SourceCounts]", progress: "dict[str, SourceProgress]"
) -> dict[str, Any]:
    from modelops_pipelines.operations.improve.labels.source_counts import SourceCounts

    kinds = {source.name: source.kind for source in spec.label_sources}
    counts, read = counted.get(name, SourceCounts()), progress.get(name)
    numbers = {"rows": counts.rows, "matched": counts.matched, "unmatched": counts.unmatched, **asdict(counts)}
    del numbers["reasons"]
    return {
        "source": name,
        "kind": kinds.get(name),
        **numbers,
        "read_at": None if read is None else read.at,
        "error": None if read is None else read.error,
    }


def _names(spec: "EndpointSpec", counted: "dict[str, SourceCounts]") -> list[str]:
    declared = [source.name for source in spec.label_sources]
    return [*declared, *sorted(set(counted) - set(declared))]


def _short(row: dict[str, Any]) -> dict[str, Any]:
    key = row["place"] or row["client_request_id"] or row["entity"]
    return {"received_at": row["received_at"], "source": row["source"], "status": row["status"], "row": key} | {
        "reason": row["reason"]
    }


def _pattern(file: Path) -> str:
    """Return the pattern that this very file matches."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(file.resolve()))


def _span(given: str) -> timedelta:
    span = parse_duration(given)
    if span is None or span <= timedelta(0):
        raise click.UsageError(f"{given!r} is not a time to look back: give for example 12h or 1d.")
    return span
