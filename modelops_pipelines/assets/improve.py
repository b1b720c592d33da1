"""The assets of a retraining: the training set, the candidate, and its evaluation with the gate."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from modelops_pipelines.assets.metadata import asset_options, asset_results, json_value, key, not_judged_metadata
from modelops_pipelines.core.endpoints.improvement import SET_GUARDS
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.evaluation.gate import NOT_ENOUGH, PASS, describe_verdict, held_reasons
from modelops_pipelines.core.improve.guards.results import BLOCK, GUARDS, OFF, mode_of
from modelops_pipelines.operations.improve.evaluation.candidates import evaluate_candidate
from modelops_pipelines.operations.improve.retraining.retrain import freeze_training_set, train_candidate
from modelops_pipelines.operations.improve.steps import CANDIDATE, EVALUATION, TRAINING_SET, Step
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.state.improve.set_checks import SetCheck
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores

GATE = "gate"
REASON_TAG = "modelops/reason"


def training_set_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the immutable training set."""
    about = (
        "The base set and all labelled rows of the log, without the evaluation days. Immutable, identified by its "
        "content hash. Materialize it to start a retraining."
    )
    options = asset_options(spec, TRAINING_SET, kinds=["deltalake", "table"], about=about)
    upstream = [key(spec, "labels"), key(spec, "feedback_training_rows")]

    @dg.asset(**options, deps=upstream, check_specs=guard_specs(spec))
    def training_set(
        context: dg.AssetExecutionContext, modelops_project: ProjectResource
    ) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        with modelops_project.stores() as stores:
            step = freeze_training_set(stores, spec, context.run.tags.get(REASON_TAG, "requested in Dagster"))
            checks, unjudged = guard_checks(stores.set_checks.of(spec.name, step.record.content_hash), options["key"])
        version = dg.DataVersion(step.record.content_hash)
        yield from asset_results(options["key"], step_metadata(step), checks, unjudged, version)

    return training_set


def guard_specs(spec: EndpointSpec) -> list[dg.AssetCheckSpec]:
    """Return a check for each guard on the set that is not off; one that blocks keeps the candidate from training."""
    modes = {name: mode_of(spec, name) for name in SET_GUARDS}
    asset = key(spec, TRAINING_SET)
    return [
        dg.AssetCheckSpec(name, asset=asset, blocking=mode == BLOCK, description=GUARDS[name])
        for name, mode in modes.items()
        if mode != OFF
    ]


def guard_checks(checks: Sequence[SetCheck], asset: dg.AssetKey) -> tuple[list[dg.AssetCheckResult], dict[str, str]]:
    """Return the guards' check results, and why the others were not judged."""
    results = [
        dg.AssetCheckResult(
            asset_key=asset,
            check_name=one.guard,
            passed=one.passed,
            severity=dg.AssetCheckSeverity.ERROR if one.blocking else dg.AssetCheckSeverity.WARN,
            description=one.message if one.accepted_by is None else f"{one.verdict}. {one.message}",
            metadata={"numbers": json_value(dict(one.numbers))},
        )
        for one in checks
        if one.passed is not None
    ]
    return results, {one.guard: one.message for one in checks if one.passed is None}


def candidate_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the candidate, a registered model version."""
    about = "A model version that the endpoint's trainer trained on the newest training set, registered in MLflow."

    @dg.asset(
        **asset_options(spec, CANDIDATE, kinds=["mlflow", "scikitlearn"], about=about),
        deps=[key(spec, TRAINING_SET)],
    )
    def candidate(modelops_project: ProjectResource) -> dg.MaterializeResult:
        with modelops_project.stores() as stores:
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
    def evaluation(modelops_project: ProjectResource) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        with modelops_project.stores() as stores:
            step = evaluate_candidate(stores, spec)
        checks, unjudged = gate_check(step.record, options["key"])
        yield from asset_results(options["key"], step_metadata(step), checks, unjudged)

    return evaluation


def step_shown(stores: Stores, spec: EndpointSpec, step: Step[Any]) -> dict[str, Any]:
    """Return all that a step's asset shows, also why checks were not judged: for the job, which has no checks."""
    asset, unjudged = key(spec, step.asset), dict[str, str]()
    if isinstance(step.record, TrainingSet):
        _, unjudged = guard_checks(stores.set_checks.of(spec.name, step.record.content_hash), asset)
    elif isinstance(step.record, Gate):
        _, unjudged = gate_check(step.record, asset)
    return {**step_metadata(step), **not_judged_metadata(unjudged)}


def step_metadata(step: Step[Any]) -> dict[str, Any]:
    """Return a retraining step's numbers as Dagster metadata."""
    return dict(_metadata(name, value) for name, value in step.numbers.items())


def _metadata(name: str, value: Any) -> tuple[str, Any]:
    if name == "row_count":
        return "dagster/row_count", value
    if name in ("model", "why"):
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
