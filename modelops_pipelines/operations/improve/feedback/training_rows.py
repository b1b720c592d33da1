"""The labels that accepted feedback gives training sets, and which of them have their prediction in the log."""

from dataclasses import dataclass

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.improve.feedback.open_feedback import answers_of
from modelops_pipelines.store.state.improve.accepted_feedback import AcceptedFeedback
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class FeedbackTrainingRows:
    """The accepted feedback of an endpoint, in order of acceptance, a row each.

    ``predictions`` counts the predictions that they label, ``missing`` those that the log does not hold, or not yet.
    """

    rows: list[AcceptedFeedback]
    predictions: int
    missing: int


def feedback_training_rows(stores: Stores, spec: EndpointSpec) -> FeedbackTrainingRows:
    """Return the endpoint's accepted feedback with its counts."""
    rows = stores.accepted_feedback.of(spec.name)
    known = answers_of(stores, spec, [vars(row) for row in rows])
    labelled = {row.prediction_id for row in rows}
    return FeedbackTrainingRows(rows, len(labelled), len(labelled - known.keys()))
