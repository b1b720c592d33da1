"""The candidates of a retraining: the endpoint's trainer, or several that compete."""

from dataclasses import replace

from modelops_pipelines.core.endpoints.improvement import CandidateTrainer
from modelops_pipelines.core.endpoints.spec import EndpointSpec


def candidates_of(spec: EndpointSpec) -> tuple[CandidateTrainer, ...]:
    """Return the trainers of a retraining: those that the YAML lists, else the endpoint's own.

    One without an environment has the endpoint's ``trainer_environment``.
    """
    listed = () if spec.retraining is None else spec.retraining.candidates
    own = own_trainer(spec)
    if not listed:
        return () if own is None else (own,)
    return tuple(replace(one, environment=one.environment or spec.trainer_environment) for one in listed)


def own_trainer(spec: EndpointSpec) -> CandidateTrainer | None:
    """Return the endpoint's own trainer as a candidate, named after itself; None where it has none."""
    if spec.trainer is None:
        return None
    return CandidateTrainer(spec.trainer, spec.trainer, environment=spec.trainer_environment)
