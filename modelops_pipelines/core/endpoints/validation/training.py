"""Validate an endpoint's policy of training sets: issues by path, each with its fix."""

from collections.abc import Iterator

from modelops_pipelines.core.endpoints.improvement import GUARD_MODES, SET_GUARDS
from modelops_pipelines.core.endpoints.issues import Issue, one_of, suggestion
from modelops_pipelines.core.endpoints.spec import EndpointSpec


def training_issues(spec: EndpointSpec) -> Iterator[Issue]:
    """Yield all issues of the section 'training'."""
    yield from _guard_issues(spec)


def _guard_issues(spec: EndpointSpec) -> Iterator[Issue]:
    """Yield the issues of the guards' names and modes."""
    for name, mode in spec.training.guards.items():
        if name not in SET_GUARDS:
            yield Issue(f"training.guards.{name}", "is not a guard", suggestion(name, SET_GUARDS))
        yield from one_of(f"training.guards.{name}", mode, GUARD_MODES)
