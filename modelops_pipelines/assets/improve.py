"""From labels to a judged candidate: the training set, the candidate, its evaluation with the gate."""

from typing import Any

import dagster as dg

from modelops_pipelines.assets.metadata import asset_options, json_value, key
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.evaluation.gate import PASS, table_of
from modelops_pipelines.operations.improve.evaluate import evaluate
from modelops_pipelines.operations.improve.retrain import start_retraining, train_candidate
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.store.state.gates import Gate

GATE = "gate"
REASON_TAG = "modelops/reason"


def training_set_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the immutable training set."""
    about = (
        "The base set and every labelled row of the log, less the evaluation days: immutable, by content hash. "
        "Materialising it starts a retraining."
    )
    upstream = [key(spec, "labels")]

    @dg.asset(**asset_options(spec, "training_set", kinds=["deltalake", "table"], about=about), deps=upstream)
    def training_set(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        with project.stores() as stores:
            record = start_retraining(stores, spec, context.run.tags.get(REASON_TAG, "asked for in Dagster"))
        return dg.MaterializeResult(
            data_version=dg.DataVersion(record.content_hash),
            metadata={
                "dagster/row_count": record.rows,
                "content_hash": record.content_hash,
                "base_hash": record.base_hash or "none: this set is a base",
                "labels_seen": record.labels_seen,
                "watermark": str(record.watermark),
            },
        )

    return training_set


def candidate_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the candidate: a registered version of the model."""
    about = "A version trained on the newest training set by the endpoint's trainer, registered in MLflow."

    @dg.asset(
        **asset_options(spec, "candidate", kinds=["mlflow", "scikitlearn"], about=about),
        deps=[key(spec, "training_set")],
    )
    def candidate(project: ProjectResource) -> dg.MaterializeResult:
        with project.stores() as stores:
            version = train_candidate(stores, spec)
            url = f"http://{stores.settings.host}:{stores.settings.mlflow_port}"
        return dg.MaterializeResult(
            metadata={
                "version": version.version,
                "model": dg.MetadataValue.url(f"{url}/#/models/{version.model_name}/versions/{version.version}"),
                "run_id": version.run_id,
                "training_set": version.training_set,
            }
        )

    return candidate


def evaluation_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the candidate's evaluation, with the gate as its blocking check."""
    about = "The candidate against the champion on the evaluation days, which neither was trained on."
    options = asset_options(spec, "evaluation", kinds=["mlflow", "python"], about=about)
    gate_spec = dg.AssetCheckSpec(GATE, asset=options["key"], blocking=True, description="Is it better, beyond doubt?")

    @dg.asset(**options, deps=[key(spec, "candidate")], check_specs=[gate_spec])
    def evaluation(project: ProjectResource) -> dg.MaterializeResult:
        with project.stores() as stores:
            newest = stores.retrainings.of(spec.name)[-1].version
            gate = evaluate(stores, spec, str(newest))
        return dg.MaterializeResult(metadata=_shown(gate), check_results=[_gate_result(gate, options["key"])])

    return evaluation


def _shown(gate: Gate) -> dict[str, Any]:
    """Return the verdict as metadata: its parts as a table, every other number by its name."""
    parts = {"regimes", "slices"}
    numbers = {name: value for name, value in gate.numbers.items() if value is not None and name not in parts}
    return {
        **json_value(numbers),
        "judged": dg.MetadataValue.table([dg.TableRecord(_cells(row)) for row in table_of(gate.numbers)]),
        "verdict": gate.verdict,
        "champion": gate.champion,
        "version": gate.version,
    }


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """Return a row's values as text: a column of Dagster's tables has one type, and no value is none there."""
    known = {name: "" if value is None else value for name, value in row.items()}
    return {name: f"{value:.5f}" if isinstance(value, float) else str(value) for name, value in known.items()}


def _gate_result(gate: Gate, asset: dg.AssetKey) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=GATE,
        passed=gate.verdict == PASS,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{gate.verdict}: {gate.numbers['reason']}",
        metadata={"data_hash": gate.data_hash, "gate_hash": gate.gate_hash},
    )
