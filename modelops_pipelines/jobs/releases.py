"""The jobs that change what is live: deploy, promote, rollback. Shared by all endpoints, partitioned by endpoint."""

from collections.abc import Callable, Sequence

import dagster as dg

from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.rollout import WHOLE
from modelops_pipelines.operations import releases
from modelops_pipelines.operations.changes import Change
from modelops_pipelines.operations.endpoints import endpoint_named
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.store.stores import Stores


class DeployConfig(dg.Config):
    """Which version to deploy, and why. ``share`` is its part of the traffic in percent."""

    version: str
    share: int = WHOLE
    reason: str = "deployed from Dagster"
    actor: str = "dagster"


class PromoteConfig(dg.Config):
    """Which version to promote, and why. ``force`` goes without a passed gate, and the history says so."""

    version: str
    force: bool = False
    reason: str = "promoted from Dagster"
    actor: str = "dagster"


class RollbackConfig(dg.Config):
    """Why to roll back; ``to`` names an earlier champion, the one before by default."""

    to: str = ""
    reason: str = "rolled back from Dagster"
    actor: str = "dagster"


def release_jobs(endpoints: Sequence[str]) -> list[dg.JobDefinition]:
    """Return deploy, promote and rollback for these endpoints."""
    partitions = dg.StaticPartitionsDefinition(list(endpoints))
    return [_job(name, op, about, partitions) for name, (op, about) in _OPS.items()]


@dg.op(name="deploy_version", description="Write the desired state, then wait until every gateway worker serves it.")
def deploy_op(context: dg.OpExecutionContext, config: DeployConfig, project: ProjectResource) -> None:
    """Deploy a version."""
    _run(
        context,
        project,
        lambda stores, spec: releases.deploy(
            stores, spec, config.version, share=config.share, actor=config.actor, reason=config.reason
        ),
    )


@dg.op(name="promote_version", description="Take a version a step further on its plan; needs a passed gate.")
def promote_op(context: dg.OpExecutionContext, config: PromoteConfig, project: ProjectResource) -> None:
    """Promote a version."""
    _run(
        context,
        project,
        lambda stores, spec: releases.promote(
            stores, spec, config.version, force=config.force, actor=config.actor, reason=config.reason
        ),
    )


@dg.op(name="roll_back", description="Return to an earlier champion, by the history.")
def rollback_op(context: dg.OpExecutionContext, config: RollbackConfig, project: ProjectResource) -> None:
    """Roll back."""
    _run(
        context,
        project,
        lambda stores, spec: releases.roll_back(
            stores, spec, to=config.to or None, actor=config.actor, reason=config.reason
        ),
    )


_OPS = {
    "deploy": (deploy_op, "Put a version on an endpoint. Choose the endpoint as the partition."),
    "promote": (promote_op, "Take a version a step further towards champion. Choose the endpoint as the partition."),
    "rollback": (rollback_op, "Return to the champion before. Choose the endpoint as the partition."),
}


def _job(name: str, op: dg.OpDefinition, about: str, partitions: dg.StaticPartitionsDefinition) -> dg.JobDefinition:
    @dg.job(name=name, description=about, partitions_def=partitions, executor_def=dg.in_process_executor)
    def release() -> None:
        op()

    return release


def _run(
    context: dg.OpExecutionContext,
    project: ProjectResource,
    change: Callable[[Stores, EndpointSpec], Change],
) -> None:
    """Make the change on the run's endpoint, set MLflow's aliases to match, and show both."""
    with project.stores() as stores:
        spec = endpoint_named(stores, context.partition_key)
        made = change(stores, spec)
        releases.mirror(stores, spec)
    context.log.info(made.sentence)
    context.add_output_metadata({name: value for name, value in vars(made).items() if value is not None})
