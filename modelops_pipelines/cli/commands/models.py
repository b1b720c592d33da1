"""Commands on versions of a model: list, test, evaluate, archive, restore; those of other modules are added."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelops_pipelines.cli.commands.environments import environment
from modelops_pipelines.cli.commands.improve.lineage import why_version
from modelops_pipelines.cli.commands.signing import sign, verify
from modelops_pipelines.cli.exit_codes import EXIT_PERMANENT
from modelops_pipelines.cli.output import as_text, echo, json_option, show_page, show_rows, show_value
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.core.release.deployment_states import STAGES
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

if TYPE_CHECKING:
    from modelops_pipelines.store.state.release.suite_runs import VersionTest

_REASON = click.option("--reason", default="", help="Reason for the change, recorded in the history.")
_SUITE = click.option("--suite", default=None, help="This suite only; default: all suites of the endpoint.")
_DEADLINE = click.option(
    "--deadline",
    type=click.FloatRange(min=1),
    default=120,
    show_default=True,
    help="Seconds until the version must have answered.",
)
_COLUMNS = ("at", "version", "suite", "cases", "passed", "failed", "seconds", "inputs_hash", "actor")


@click.group()
def model() -> None:
    """List, test, explain, sign, archive and restore versions of an endpoint's model."""


for command in (why_version, sign, verify, environment):
    model.add_command(command)


@model.command("list")
@click.argument("endpoint")
@click.option("--stage", type=click.Choice(STAGES), default=None, help="Versions in this stage only.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--cursor", default=None, help="Cursor printed after the previous page.")
@json_option
def list_versions(endpoint: str, stage: str | None, limit: int, cursor: str | None, *, as_json: bool) -> None:
    """List the versions of ENDPOINT's model in MLflow, newest first, with their stage on this endpoint."""
    from modelops_pipelines.operations.release.listing import versions_page

    stores = open_stores()
    page = versions_page(stores, endpoint_named(stores, endpoint), stage, cursor, limit)
    show_page(page.items, page.next_cursor, as_json=as_json, empty="There are no such versions.")


@model.command("registered")
@click.argument("name", metavar="[MODEL]", required=False)
@click.option("--search", "part", default="", help="Models with this in their names only.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--cursor", default=None, help="Cursor printed after the previous page.")
@json_option
def list_registered(name: str | None, part: str, limit: int, cursor: str | None, *, as_json: bool) -> None:
    """List the models of the registry with the endpoints that serve them, or the versions of MODEL, newest first."""
    from modelops_pipelines.operations.release.registered_models import model_versions_page, models_page, scope_of

    stores = open_stores()
    scope = scope_of(read_configurations(stores.settings).specs)
    page = (
        models_page(stores, scope, part, cursor, limit)
        if name is None
        else model_versions_page(stores, scope, name, cursor, limit)
    )
    show_page(page.items, page.next_cursor, as_json=as_json, empty="There are no such models.")


@model.command("test")
@click.argument("endpoint")
@click.argument("version")
@_SUITE
@_DEADLINE
@json_option
def test(endpoint: str, version: str, suite: str | None, deadline: float, *, as_json: bool) -> None:
    """Run the stored test cases of ENDPOINT's suites on VERSION; exit code 3 if a case fails."""
    from modelops_pipelines.operations.testing.run_suites import run_suite, suite_names

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    names = suite_names(stores, spec, suite)
    runs = [run_suite(stores, spec, version, name, actor(), deadline=deadline) for name in names]
    if as_json:
        echo(as_text([_full(run) for run in runs]))
    else:
        failed = [{"suite": run.suite, **failure} for run in runs for failure in run.failures]
        show_rows(failed, as_json=False, empty="Every case passed.")
    for run in runs:
        passed = f"version {run.version}, suite {run.suite}: {run.passed} of {run.cases} cases passed"
        echo(f"{passed}, {run.seconds:.2f} s (inputs {run.inputs_hash[:12]})", err=True)
    if any(run.failed for run in runs):
        sys.exit(EXIT_PERMANENT)


@model.command("tests")
@click.argument("endpoint")
@click.option("--version", default=None, help="Runs of this version only.")
@_SUITE
@json_option
def tests(endpoint: str, version: str | None, suite: str | None, *, as_json: bool) -> None:
    """List the test runs of ENDPOINT's suites, oldest first."""
    stores = open_stores()
    runs = stores.version_tests.of(endpoint_named(stores, endpoint).name, version, suite)
    rows = [_full(run) if as_json else _line(run) for run in runs]
    show_rows(rows, as_json=as_json, empty=f"No version of {endpoint!r} has been tested yet.")


@model.command("diff")
@click.argument("endpoint")
@click.argument("first")
@click.argument("second")
@_SUITE
@json_option
def diff(endpoint: str, first: str, second: str, suite: str | None, *, as_json: bool) -> None:
    """Compare the newest test runs of versions FIRST and SECOND: cases fixed, broken and still failing."""
    from modelops_pipelines.operations.testing.run_suites import compare, suite_names

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    diffs = [compare(stores, spec, first, second, name) for name in suite_names(stores, spec, suite)]
    rows = [{"suite": found.suite, **row} for found in diffs for row in found.rows]
    show_rows(rows, as_json=as_json, empty="Every case passed in both versions.")


@model.command("cases")
@click.argument("endpoint")
@click.argument("name")
@click.option(
    "--rows", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Maximum number of cases."
)
@click.option(
    "--tolerance", type=click.FloatRange(min=0), default=None, help="Tolerance around the label; regression only."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing suite.")
def cases(endpoint: str, name: str, rows: int, tolerance: float | None, *, overwrite: bool) -> None:
    """Write suite NAME from labelled rows of ENDPOINT's log. Each case expects its label. Commit the file to git."""
    from modelops_pipelines.operations.testing.run_suites import suite_from_log

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    suite = suite_from_log(stores, spec, name, rows, tolerance=tolerance, overwrite=overwrite)
    echo(f"{len(suite.cases)} cases written", err=True)
    echo(str(suite.path))


@model.command("evaluate")
@click.argument("endpoint")
@click.argument("version")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write the predictions to.")
@_DEADLINE
@json_option
def evaluate(endpoint: str, version: str, file: Path, output: Path | None, deadline: float, *, as_json: bool) -> None:
    """Predict the rows of FILE (CSV or Parquet) with VERSION; with a label column, compute metrics."""
    from modelops_pipelines.operations.testing.batch_evaluation import evaluate_file, write_answers
    from modelops_pipelines.operations.testing.batch_files import check_format

    if output is not None:
        check_format(output)
    stores = open_stores()
    batch = evaluate_file(stores, endpoint_named(stores, endpoint), version, file, deadline=deadline)
    if output is not None:
        write_answers(batch.answers, output)
    summary: dict[str, Any] = {name: getattr(batch, name) for name in ("version", "rows", "failed", "first_error")}
    if batch.metrics is None:
        echo(f"{file} has no label column: no metrics were computed", err=True)
    show_value({**summary, "seconds": batch.seconds, **(batch.metrics or {})}, as_json=as_json)


@model.command()
@click.argument("endpoint")
@click.argument("version")
@_REASON
def archive(endpoint: str, version: str, reason: str) -> None:
    """Archive VERSION: no endpoint may serve it any more. Refused while it is champion, challenger or shadow."""
    from modelops_pipelines.operations.release import commands as releases

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    changed = releases.archive(stores, spec, version, actor=actor(), reason=reason)
    echo(f"version {version} of {spec.model_name} {'is archived' if changed else 'was already archived'}")
    releases.sync_registry(stores, spec)


@model.command()
@click.argument("endpoint")
@click.argument("version")
@_REASON
def restore(endpoint: str, version: str, reason: str) -> None:
    """Make an archived VERSION deployable again."""
    from modelops_pipelines.operations.release import commands as releases

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    changed = releases.restore(stores, spec, version, actor=actor(), reason=reason)
    echo(f"version {version} of {spec.model_name} {'is restored' if changed else 'was not archived'}")
    releases.sync_registry(stores, spec)


def _full(run: "VersionTest") -> Mapping[str, Any]:
    return {**asdict(run), "failed": run.failed}


def _line(run: "VersionTest") -> Mapping[str, Any]:
    values: Sequence[Any] = [getattr(run, name) for name in _COLUMNS]
    return {**dict(zip(_COLUMNS, values, strict=True)), "inputs_hash": run.inputs_hash[:12]}
