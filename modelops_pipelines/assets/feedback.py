"""The asset of the labels that people accepted from feedback, a row each."""

from collections.abc import Iterator

import dagster as dg

from modelops_pipelines.assets.metadata import asset_options, asset_results, key
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.improve_state import ACCEPTED_FEEDBACK
from modelops_pipelines.core.tables.lake import FEEDBACK, INFERENCE_LOG
from modelops_pipelines.operations.improve.feedback.training_rows import FeedbackTrainingRows, feedback_training_rows
from modelops_pipelines.resources.project import ProjectResource

NAME = "feedback_training_rows"
JOINS_THE_LOG = "joins_the_log"


def feedback_training_rows_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the feedback that was accepted for training."""
    about = "Feedback that people accepted as labels for training: as many rows as pieces of feedback."
    options = asset_options(spec, NAME, kinds=["python", "table"], about=about, table=ACCEPTED_FEEDBACK)
    joins = "Passes when the log holds the prediction of each row."
    check = dg.AssetCheckSpec(JOINS_THE_LOG, asset=options["key"], description=joins)
    upstream = [key(spec, name) for name in (FEEDBACK.name, INFERENCE_LOG.name)]

    @dg.asset(**options, deps=upstream, check_specs=[check])
    def accepted(modelops_project: ProjectResource) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        with modelops_project.stores() as stores:
            found = feedback_training_rows(stores, spec)
        checks, unjudged = _joins(found, options["key"])
        metadata = {"dagster/row_count": len(found.rows), "predictions": found.predictions}  # no erasure reaches it
        yield from asset_results(options["key"], metadata, checks, unjudged)

    return accepted


def _joins(found: FeedbackTrainingRows, asset: dg.AssetKey) -> tuple[list[dg.AssetCheckResult], dict[str, str]]:
    if not found.rows:
        return [], {JOINS_THE_LOG: "not judged: no feedback is accepted"}
    about = f"{found.missing} of {found.predictions} predictions with accepted feedback are not in the log, or not yet"
    severity = dg.AssetCheckSeverity.WARN
    passed = not found.missing
    return [
        dg.AssetCheckResult(
            asset_key=asset, check_name=JOINS_THE_LOG, passed=passed, severity=severity, description=about
        )
    ], {}
