"""The jobs that change what is live: deploy, promote, rollback. Shared by all endpoints, partitioned by endpoint."""

from collections.abc import Callable, Sequence

import dagster as dg

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import WHOLE
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.release import commands as releases
from modelops_pipelines.operations.release.apply import Change
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.store.stores import Stores


class DeployConfig(dg.Config):
    """Which version to deploy, and why. ``share`` is its part of the traffic in percent."""

    version: str
    share: int = WHOLE
    reason: str = "deployed from Dagster"
    actor: str = "dagster"
    dry_run: bool = False


class PromoteConfig(dg.Config):
    """Which version to promote, and why. ``force`` goes without a passed gate, and the history says so."""

    version: str
    force: bool = False
    reason: str = "promoted from Dagster"
    actor: str = "dagster"
    dry_run: bool = False


class RollbackConfig(dg.Config):
    """Why to roll back; ``to`` names an earlier champion, the one before by default."""

    to: str = ""
    reason: str = "rolled back from Dagster"
    actor: str = "dagster"
    dry_run: bool = False


class EndpointConfig(dg.Config):
    """Why to stop, start or delete the endpoint."""

    reason: str = "asked for in Dagster"
    actor: str = "dagster"
    dry_run: bool = False


class VersionConfig(dg.Config):
    """Which version, and why."""

    version: str
    reason: str = "asked for in Dagster"
    actor: str = "dagster"


class ValidateConfig(dg.Config):
    """Which version would be deployed, with which share of the traffic; nothing changes."""

    version: str
    share: int = WHOLE


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
            stores,
            spec,
            config.version,
            share=config.share,
            actor=config.actor,
            reason=config.reason,
            key=context.run_id,
            dry_run=config.dry_run,
        ),
    )


@dg.op(name="promote_version", description="Take a version a step further on its plan; needs a passed gate.")
def promote_op(context: dg.OpExecutionContext, config: PromoteConfig, project: ProjectResource) -> None:
    """Promote a version."""
    _run(
        context,
        project,
        lambda stores, spec: releases.promote(
            stores,
            spec,
            config.version,
            force=config.force,
            actor=config.actor,
            reason=config.reason,
            dry_run=config.dry_run,
        ),
    )


@dg.op(name="roll_back", description="Return to an earlier champion, by the history.")
def rollback_op(context: dg.OpExecutionContext, config: RollbackConfig, project: ProjectResource) -> None:
    """Roll back."""
    _run(
        context,
        project,
        lambda stores, spec: releases.roll_back(
            stores, spec, to=config.to or None, actor=config.actor, reason=config.reason, dry_run=config.dry_run
        ),
    )


@dg.op(name="validate_version", description="Check that a deploy would be taken, and say what it would change.")
def validate_op(context: dg.OpExecutionContext, config: ValidateConfig, project: ProjectResource) -> None:
    """Validate a deploy."""
    _run(
        context,
        project,
        lambda stores, spec: releases.deploy(
            stores, spec, config.version, share=config.share, actor="dagster", reason="", dry_run=True
        ),
    )


def _endpoint_op(name: str, about: str, move: Callable[..., Change]) -> dg.OpDefinition:
    @dg.op(name=name, description=about)
    def endpoint_op(context: dg.OpExecutionContext, config: EndpointConfig, project: ProjectResource) -> None:
        _run(
            context,
            project,
            lambda stores, spec: move(stores, spec, actor=config.actor, reason=config.reason, dry_run=config.dry_run),
        )

    return endpoint_op


@dg.op(name="archive_version", description="Have a version serve no more; refused while anything serves or tries it.")
def archive_op(context: dg.OpExecutionContext, config: VersionConfig, project: ProjectResource) -> None:
    """Archive a version."""
    with project.stores() as stores:
        spec = endpoint_named(stores, context.partition_key)
        done = releases.archive(stores, spec, config.version, actor=config.actor, reason=config.reason)
        releases.sync_registry(stores, spec)
    context.add_output_metadata({"version": config.version, "archived_now": done})


_STOP = "Have the endpoint refuse every prediction until it is started again."
_START = "Have a stopped endpoint serve again what it did."
_DELETE = "Take everything off the endpoint; history and logs stay."
_OPS = {
    "deploy": (deploy_op, "Put a version on an endpoint. Choose the endpoint as the partition."),
    "promote": (promote_op, "Take a version a step further towards champion. Choose the endpoint as the partition."),
    "rollback": (rollback_op, "Return to the champion before. Choose the endpoint as the partition."),
    "validate": (validate_op, "Check a deploy without making it. Choose the endpoint as the partition."),
    "stop": (_endpoint_op("stop_endpoint", _STOP, releases.stop), _STOP),
    "start": (_endpoint_op("start_endpoint", _START, releases.start), _START),
    "delete": (_endpoint_op("delete_endpoint", _DELETE, releases.delete), _DELETE),
    "archive": (archive_op, "Have a version serve no more. Choose the endpoint as the partition."),
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
        if not made.dry_run:
            releases.sync_registry(stores, spec)
    context.log.info(made.sentence)
    context.add_output_metadata({name: value for name, value in vars(made).items() if value is not None})
