"""Commands that train a version, retrain a candidate, and judge a version with the gate."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelops_pipelines.cli.exit_codes import EXIT_PERMANENT, EXIT_TRANSIENT
from modelops_pipelines.cli.output import echo, json_option, show_value
from modelops_pipelines.cli.progress import told_steps
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
    from modelops_pipelines.operations.improve.retraining.trainer_process import train_first_apart

    stores = open_stores()
    spec = endpoint_named(stores, endpoint, newest=True)
    with told_steps() as tell:
        tell(f"training a first version on {data.name}")
        version = train_first_apart(stores, spec, data, actor=actor(), reason=reason, tell=tell)
    echo(
        f"Registered version {version.version}. Deploy it with: modelops deploy {endpoint} {version.version}", err=True
    )
    show_value(vars(version), as_json=as_json)


@click.command()
@click.argument("endpoint")
@click.option("--reason", help="Reason, recorded with the retraining.")
@click.option(
    "--accept-guard",
    "accepted",
    metavar="NAME",
    multiple=True,
    help="Train although this guard refuses the training set; needs a reason, which is recorded. May be repeated.",
)
@click.option("--why", is_flag=True, help="Train nothing: show whether one would start now, and all numbers behind it.")
@json_option
def retrain(endpoint: str, reason: str | None, accepted: tuple[str, ...], *, why: bool, as_json: bool) -> None:
    """Train the candidates for ENDPOINT on all labelled rows and evaluate them. The live version does not change.

    Guards judge the training set first; nothing is trained on a set that one of them refuses. What is under way is told
    on stderr, since when, and again every half minute.
    """
    if why:
        _show_decision(endpoint, as_json=as_json)
        return
    from modelops_pipelines.operations.improve.guards.check_set import require_reason
    from modelops_pipelines.operations.improve.retraining.retrain import retrain as retrain_steps

    require_reason(accepted, reason or "")
    stores = open_stores()
    spec, because = endpoint_named(stores, endpoint), reason or "requested at the command line"
    with told_steps() as tell:
        *_, last = retrain_steps(stores, spec, because, accepted, actor(), tell=tell)
    _show_gate(last.record, as_json=as_json)


@click.command()
@click.argument("endpoint")
@click.argument("version")
@json_option
def evaluate(endpoint: str, version: str, *, as_json: bool) -> None:
    """Judge any registered VERSION against ENDPOINT's champion with the gate, on the evaluation days.

    The verdict is recorded; what is live does not change. Exit codes: 0 passed, 3 failed, 4 not enough evidence yet.
    """
    from modelops_pipelines.operations.improve.evaluation.candidates import evaluate_version

    stores = open_stores()
    with told_steps() as tell:
        tell(f"judging version {version} against the champion")
        gate = evaluate_version(stores, endpoint_named(stores, endpoint), version).record
    _show_gate(gate, as_json=as_json)
    echo(f"version {version}: {describe_verdict(gate.verdict, gate.numbers)}", err=True)
    sys.exit(_EXIT_CODES.get(gate.verdict, 0))


def _show_decision(endpoint: str, *, as_json: bool) -> None:
    from modelops_pipelines.operations.improve.retraining.decisions import decide_retraining

    stores = open_stores()
    decision = decide_retraining(stores, endpoint_named(stores, endpoint))
    past = stores.retrainings.latest(endpoint)
    last = None if past is None else {"reason": past.reason, "version": past.version, "failure": past.failure}
    shown = {"start": decision.start, "reason": decision.reason, "latest_retraining": last}
    show_value({**shown, **decision.numbers}, as_json=as_json)


def _show_gate(gate: "Gate", *, as_json: bool) -> None:
    show_value({"version": gate.version, "verdict": gate.verdict, **dict(gate.numbers)}, as_json=as_json)
