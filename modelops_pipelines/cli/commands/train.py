"""Commands that train a version, retrain a candidate, and judge a version with the gate."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelops_pipelines.cli.exit_codes import EXIT_PERMANENT, EXIT_TRANSIENT
from modelops_pipelines.cli.output import echo, json_option, show_value
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.core.evaluation.gate import FAIL, NOT_ENOUGH, describe_verdict
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

if TYPE_CHECKING:
    from modelops_pipelines.store.state.improve.gates import Gate

_EXIT_CODES = {FAIL: EXIT_PERMANENT, NOT_ENOUGH: EXIT_TRANSIENT}


@click.command()
@click.argument("endpoint")
@click.option(
    "--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="A CSV or Parquet file."
)
@click.option(
    "--replace-first-frame",
    "reason",
    metavar="REASON",
    help="Let later training sets start from this file instead of the first one; the history records the reason.",
)
@json_option
def train(endpoint: str, data: Path, reason: str | None, *, as_json: bool) -> None:
    """Train ENDPOINT's first version on a file of features and the label, and register it.

    Later training sets are the rows of the first such file, and the labelled rows of the log. Times without a zone are
    UTC. Nothing is written when the file, or what the trainer makes of it, is refused.
    """
    from modelops_pipelines.operations.improve.train import replace_first_frame, train_first
    from modelops_pipelines.operations.improve.training_files import read_frame

    stores = open_stores()
    spec, frame = endpoint_named(stores, endpoint, newest=True), read_frame(data)
    if reason is None:
        version = train_first(stores, spec, frame)
    else:
        version = replace_first_frame(stores, spec, frame, actor=actor(), reason=reason)
    echo(
        f"Registered version {version.version}. Deploy it with: modelops deploy {endpoint} {version.version}", err=True
    )
    show_value(vars(version), as_json=as_json)


@click.command()
@click.argument("endpoint")
@click.option("--reason", default="requested at the command line", help="Reason, recorded with the retraining.")
@json_option
def retrain(endpoint: str, reason: str, *, as_json: bool) -> None:
    """Train a candidate for ENDPOINT on all labelled rows and evaluate it. The live version does not change."""
    from modelops_pipelines.operations.improve.retrain import retrain as retrain_steps

    stores = open_stores()
    *_, last = retrain_steps(stores, endpoint_named(stores, endpoint), reason)
    _show_gate(last.record, as_json=as_json)


@click.command()
@click.argument("endpoint")
@click.argument("version")
@json_option
def evaluate(endpoint: str, version: str, *, as_json: bool) -> None:
    """Judge any registered VERSION against ENDPOINT's champion with the gate, on the evaluation days.

    The verdict is recorded; what is live does not change. Exit codes: 0 passed, 3 failed, 4 not enough evidence yet.
    """
    from modelops_pipelines.operations.improve.retrain import evaluate_version

    stores = open_stores()
    gate = evaluate_version(stores, endpoint_named(stores, endpoint), version).record
    _show_gate(gate, as_json=as_json)
    echo(f"version {version}: {describe_verdict(gate.verdict, gate.numbers)}", err=True)
    sys.exit(_EXIT_CODES.get(gate.verdict, 0))


def _show_gate(gate: "Gate", *, as_json: bool) -> None:
    show_value({"version": gate.version, "verdict": gate.verdict, **dict(gate.numbers)}, as_json=as_json)
