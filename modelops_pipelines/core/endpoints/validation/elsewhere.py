"""Validate an endpoint that is served elsewhere: it has nothing that needs a model here."""

from collections.abc import Iterator
from dataclasses import fields

from modelops_pipelines.core.endpoints.issues import Issue, one_of
from modelops_pipelines.core.endpoints.spec import SERVED, EndpointSpec

_OF_A_MODEL = (
    *("trainer", "trainer_environment", "retraining", "training", "promotion", "guard", "gate"),
    *("allow_replay", "allow_pickle", "accept_pickles", "row_wise", "min_resident", "runtime", "output", "cache"),
)
"""What says how a model of ours is loaded, trained, judged or replaced."""


def served_issues(spec: EndpointSpec) -> Iterator[Issue]:
    """Yield an issue for each setting that an endpoint served elsewhere has no use for."""
    yield from one_of("served", spec.served, SERVED)
    if not spec.is_elsewhere:
        return
    if spec.task != "regression" and not spec.classes:
        problem = "is missing: there is no model here that could say which classes there are"
        yield Issue(
            "classes", problem, "Add them, such as 'classes: [no, yes]', in the order of the probabilities, if any"
        )
    plain = EndpointSpec(spec.name, spec.model_name, spec.task, spec.label)
    for name in (field.name for field in fields(EndpointSpec) if field.name in _OF_A_MODEL):
        if getattr(spec, name) != getattr(plain, name):
            yield Issue(
                name, "the endpoint is served elsewhere: there is no model here that it could apply to", "Remove it"
            )
    if spec.drift.reference == "training":
        problem = "the endpoint is served elsewhere: there is no training set to compare with"
        yield Issue("drift.reference", problem, "Write 'reference: rolling', or remove it")
