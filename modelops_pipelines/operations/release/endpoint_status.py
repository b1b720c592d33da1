"""Whether an endpoint serves what it should: its status in words, and what is wrong with it."""

from dataclasses import dataclass

from modelops_pipelines.core.endpoints.spec import ELSEWHERE, EndpointSpec
from modelops_pipelines.core.release.deployment_states import FAILED, Deployment
from modelops_pipelines.core.release.desired_state import ACTIVE, DesiredState
from modelops_pipelines.store.stores import Stores

NEW, PENDING = "new", "pending"


@dataclass(frozen=True)
class EndpointStatus:
    """The status, and the problem in words; None without one.

    ``new``: nothing was ever deployed. ``pending``: no worker has served the newest deployment yet. ``failed``: nothing
    is served, or a worker cannot serve what should be. ``active``, ``stopped`` and ``deleted`` as deployed.
    """

    status: str
    problem: str | None = None


def status_of(stores: Stores, spec: EndpointSpec, state: DesiredState) -> EndpointStatus:
    """Return the status of a configured endpoint; ``elsewhere`` for one whose predictions others make."""
    return EndpointStatus(ELSEWHERE) if spec.is_elsewhere else endpoint_status(stores, state)


def endpoint_status(stores: Stores, state: DesiredState) -> EndpointStatus:
    """Return the status of an endpoint from its desired state, its deployments and what its workers report.

    A newest deployment that failed is a problem too while an earlier version is served.
    """
    if not state.generation:
        return _never_served(_newest(stores, state.endpoint))
    if state.status != ACTIVE:
        return EndpointStatus(state.status)
    newest = _newest(stores, state.endpoint)
    problem = _failure(newest)
    if state.champion is None:
        return EndpointStatus(FAILED, problem or "no version is served")
    reports = stores.deployments.acknowledgements(state.endpoint, stores.now())
    refused = next((one for one in reports if one.error and one.generation == state.generation), None)
    if refused is not None:
        return EndpointStatus(FAILED, f"worker {refused.worker} cannot serve it: {refused.error}")
    if newest is not None and not newest.is_settled:
        serves = bool(reports) and all(one.generation >= state.generation for one in reports)
        return EndpointStatus(ACTIVE) if serves else EndpointStatus(PENDING, "no gateway worker has served it yet")
    return EndpointStatus(ACTIVE, problem)


def unmonitored(stores: Stores, spec: EndpointSpec) -> str | None:
    """Return why drift of the endpoint's newest window is not judged, and what that needs; None where it is."""
    rules = [rule.name for rule in spec.alerts if rule.kind == "drift"]
    if not rules:
        return "no alert rule judges drift"
    newest = stores.verdicts.newest(spec.name).get(rules[0])
    if newest is None:
        return f"no window has been judged yet: one {spec.window} with requests has to be over, and Dagster has to run"
    return newest.message.removeprefix("not judged: ") if newest.passed is None else None


def _newest(stores: Stores, endpoint: str) -> Deployment | None:
    return next(iter(stores.deployments.attempts([endpoint], limit=1)), None)


def _never_served(newest: Deployment | None) -> EndpointStatus:
    problem = _failure(newest)
    return EndpointStatus(NEW) if problem is None else EndpointStatus(FAILED, problem)


def _failure(newest: Deployment | None) -> str | None:
    if newest is None or newest.status != FAILED:
        return None
    return f"version {newest.version} failed: {newest.error}"
