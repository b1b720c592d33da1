"""The proof of a version where no gateway runs: a separate process tries it before the desired state names it."""

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.release.deployment_states import Deployment
from modelops_pipelines.core.release.event_log import ROLLBACK, UNDO
from modelops_pipelines.operations.models.trial import try_version
from modelops_pipelines.operations.release.plan import Plan
from modelops_pipelines.operations.release.settle import revert_deployment, serving_error
from modelops_pipelines.store.state.release.deployments import required_version
from modelops_pipelines.store.stores import Stores


def prove_without_gateway(stores: Stores, spec: EndpointSpec, plan: Plan) -> bool:
    """Have the version prove itself in a separate process when no gateway's worker can; return whether it did.

    What its model says of its classes is recorded, as a worker would. A version that is rolled back to has served
    before, and a rollback must not wait. Raises ModelError.
    """
    if plan.action in (ROLLBACK, UNDO) or stores.deployments.acknowledgements(spec.name, stores.now()):
        return False
    known = required_version(stores.deployments, spec.model_name, plan.to_version)
    found = try_version(known, spec)
    if found != known:
        stores.deployments.record_classes(found)
    return True


def try_for_preview(stores: Stores, spec: EndpointSpec, plan: Plan) -> None:
    """Have the version that a dry run would deploy prove itself in a separate process.

    Nothing is recorded. Raises ModelError as the deploy itself would.
    """
    if plan.is_deployment and plan.action not in (ROLLBACK, UNDO):
        try_version(required_version(stores.deployments, spec.model_name, plan.to_version), spec)


def prove_after_gateway_left(stores: Stores, spec: EndpointSpec, plan: Plan, attempt: Deployment) -> None:
    """Have a version prove itself when the workers ended that should have served it; on failure the state is restored.

    Its own model may have ended them. Raises AcknowledgementError.
    """
    try:
        prove_without_gateway(stores, spec, plan)
    except ModelError as error:
        raise serving_error(stores, spec, revert_deployment(stores, attempt, str(error)), str(error)) from error
