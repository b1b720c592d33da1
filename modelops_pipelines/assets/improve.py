"""The assets of a retraining: the training set, the candidate, and its evaluation with the gate."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from modelops_pipelines.assets.metadata import asset_options, asset_results, json_value, key
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.evaluation.gate import NOT_ENOUGH, PASS, describe_verdict, held_reasons
from modelops_pipelines.operations.improve.retrain import (
    CANDIDATE,
    EVALUATION,
    TRAINING_SET,
    Step,
    evaluate_candidate,
    freeze_training_set,
    train_candidate,
)
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.store.state.improve.gates import Gate

GATE = "gate"
REASON_TAG = "modelops/reason"


def training_set_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the immutable training set."""
    about = (
        "The base set and all labelled rows of the log, without the evaluation days. Immutable, identified by its "
        "content hash. Materialize it to start a retraining."
    )
    upstream = [key(spec, "labels")]

    @dg.asset(**asset_options(spec, TRAINING_SET, kinds=["deltalake", "table"], about=about), deps=upstream)
    def training_set(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        with project.stores() as stores:
            step = freeze_training_set(stores, spec, context.run.tags.get(REASON_TAG, "requested in Dagster"))
        return dg.MaterializeResult(data_version=dg.DataVersion(step.record.content_hash), metadata=step_metadata(step))

    return training_set


def candidate_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the candidate, a registered model version."""
    about = "A model version that the endpoint's trainer trained on the newest training set, registered in MLflow."

    @dg.asset(
        **asset_options(spec, CANDIDATE, kinds=["mlflow", "scikitlearn"], about=about),
        deps=[key(spec, TRAINING_SET)],
    )
    def candidate(project: ProjectResource) -> dg.MaterializeResult:
        with project.stores() as stores:
            return dg.MaterializeResult(metadata=step_metadata(train_candidate(stores, spec)))

    return candidate


def evaluation_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the candidate's evaluation, with the gate as a blocking check."""
    about = "The candidate compared with the champion on the evaluation days, which neither was trained on."
    options = asset_options(spec, EVALUATION, kinds=["mlflow", "python"], about=about)
    gate_about = (
        "Passes when the lower confidence bound of the improvement clears the margin. Skipped: not enough evidence. "
        "A warning: it passed, and waits for a person."
    )
    gate_spec = dg.AssetCheckSpec(GATE, asset=options["key"], blocking=True, description=gate_about)

    @dg.asset(**options, deps=[key(spec, CANDIDATE)], check_specs=[gate_spec])
    def evaluation(project: ProjectResource) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        with project.stores() as stores:
            step = evaluate_candidate(stores, spec)
        checks, unjudged = gate_check(step.record, options["key"])
        yield from asset_results(options["key"], step_metadata(step), checks, unjudged)

    return evaluation


def step_metadata(step: Step[Any]) -> dict[str, Any]:
    """Return a retraining step's numbers as Dagster metadata, for the assets and for the job."""
    return dict(_metadata(name, value) for name, value in step.numbers.items())


def _metadata(name: str, value: Any) -> tuple[str, Any]:
    if name == "row_count":
        return "dagster/row_count", value
    if name == "model":
        return name, dg.MetadataValue.url(value)
    if name == "judged":
        return name, dg.MetadataValue.table([dg.TableRecord(_cells(row)) for row in value])
    return name, json_value(value)


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """Return a row's values as text: a column of a Dagster table has one type, and cannot hold null."""
    known = {name: "" if value is None else value for name, value in row.items()}
    return {name: f"{value:.5f}" if isinstance(value, float) else str(value) for name, value in known.items()}


def gate_check(gate: Gate, asset: dg.AssetKey) -> tuple[list[dg.AssetCheckResult], dict[str, str]]:
    """Return the gate's check result, or why it was not judged.

    Without enough evidence there is no result: Dagster shows the check as skipped, and the run does not fail. A pass
    that waits for a person is a warning, which fails no run either.
    """
    about, held = describe_verdict(gate.verdict, gate.numbers), held_reasons(gate.numbers)
    if gate.verdict == NOT_ENOUGH:
        return [], {GATE: f"not judged: {about}"}
    result = dg.AssetCheckResult(
        asset_key=asset,
        check_name=GATE,
        passed=gate.verdict == PASS and not held,
        severity=dg.AssetCheckSeverity.WARN if gate.verdict == PASS and held else dg.AssetCheckSeverity.ERROR,
        description=about,
        metadata={"data_hash": gate.data_hash, "gate_hash": gate.gate_hash},
    )
    return [result], {}
