"""The jobs that change what is live, such as deploy, promote and rollback, partitioned by endpoint."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import dagster as dg

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import WHOLE
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.release import commands as releases
from modelops_pipelines.operations.release.apply import Change
from modelops_pipelines.operations.release.rollbacks import undo_rollback
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.store.stores import Stores


class DeployConfig(dg.Config):
    """The version to deploy, the reason, and its ``share`` of the traffic in percent.

    ``force`` replaces the champion without a passed gate; it needs a reason, and the history records it.
    """

    version: str
    share: int = WHOLE
    force: bool = False
    reason: str = ""
    actor: str = "dagster"
    dry_run: bool = False


class PromoteConfig(dg.Config):
    """The version to promote, and the reason. ``force`` skips the gate, needs a reason, and is recorded."""

    version: str
    force: bool = False
    reason: str = ""
    actor: str = "dagster"
    dry_run: bool = False


class RollbackConfig(dg.Config):
    """The reason to roll back; ``to`` is an earlier champion, by default the previous one.

    ``undo`` returns to what the newest rollback removed and needs a reason; with ``force`` also to what a guard rolled
    back.
    """

    to: str = ""
    undo: bool = False
    force: bool = False
    reason: str = ""
    actor: str = "dagster"
    dry_run: bool = False


class EndpointConfig(dg.Config):
    """The reason to stop, start or delete the endpoint."""

    reason: str = "requested in Dagster"
    actor: str = "dagster"
    dry_run: bool = False


class VersionConfig(dg.Config):
    """The version, and the reason."""

    version: str
    reason: str = "requested in Dagster"
    actor: str = "dagster"


class ValidateConfig(dg.Config):
    """The version and the share of the traffic to validate; nothing changes."""

    version: str
    share: int = WHOLE


def release_jobs(endpoints: Sequence[str]) -> list[dg.JobDefinition]:
    """Return the jobs that change what these endpoints serve, and ``validate``."""
    partitions = dg.StaticPartitionsDefinition(list(endpoints))
    return [_job(name, op, about, partitions) for name, (op, about) in _OPS.items()]


@dg.op(name="deploy_version", description="Write the desired state, then wait until every gateway worker serves it.")
def deploy_op(context: dg.OpExecutionContext, config: DeployConfig, modelops_project: ProjectResource) -> None:
    """Deploy a version."""
    _run(
        context,
        modelops_project,
        lambda stores, spec: releases.deploy(
            stores,
            spec,
            config.version,
            share=config.share,
            force=config.force,
            actor=config.actor,
            reason=_reason(config.reason, "deployed from Dagster", required=config.force),
            key=context.run_id,
            dry_run=config.dry_run,
        ),
    )


@dg.op(
    name="promote_version",
    description="Promote a version to the next step of the promotion plan; requires a passed gate.",
)
def promote_op(context: dg.OpExecutionContext, config: PromoteConfig, modelops_project: ProjectResource) -> None:
    """Promote a version."""
    _run(
        context,
        modelops_project,
        lambda stores, spec: releases.promote(
            stores,
            spec,
            config.version,
            force=config.force,
            actor=config.actor,
            reason=_reason(config.reason, "promoted from Dagster", required=config.force),
            dry_run=config.dry_run,
        ),
    )


@dg.op(name="roll_back", description="Roll back to an earlier champion from the history, or undo a rollback.")
def rollback_op(context: dg.OpExecutionContext, config: RollbackConfig, modelops_project: ProjectResource) -> None:
    """Roll back, or undo a rollback."""
    reason = _reason(config.reason, "rolled back from Dagster", required=config.undo)
    given: dict[str, Any] = {"actor": config.actor, "reason": reason, "dry_run": config.dry_run}
    if config.undo:
        _run(context, modelops_project, partial(undo_rollback, force=config.force, **given))
    else:
        _run(context, modelops_project, partial(releases.roll_back, to=config.to or None, **given))


@dg.op(name="validate_version", description="Check whether a deploy would be accepted, and show what it would change.")
def validate_op(context: dg.OpExecutionContext, config: ValidateConfig, modelops_project: ProjectResource) -> None:
    """Validate a deploy."""
    _run(
        context,
        modelops_project,
        lambda stores, spec: releases.deploy(
            stores, spec, config.version, share=config.share, actor="dagster", reason="", dry_run=True
        ),
    )


def _endpoint_op(name: str, about: str, apply: Callable[..., Change]) -> dg.OpDefinition:
    @dg.op(name=name, description=about)
    def endpoint_op(context: dg.OpExecutionContext, config: EndpointConfig, modelops_project: ProjectResource) -> None:
        _run(
            context,
            modelops_project,
            lambda stores, spec: apply(stores, spec, actor=config.actor, reason=config.reason, dry_run=config.dry_run),
        )

    return endpoint_op


@dg.op(
    name="archive_version",
    description="Archive a version, so that nothing serves it; refused while it is champion, challenger or shadow.",
)
def archive_op(context: dg.OpExecutionContext, config: VersionConfig, modelops_project: ProjectResource) -> None:
    """Archive a version."""
    with modelops_project.stores() as stores:
        spec = endpoint_named(stores, context.partition_key)
        changed = releases.archive(stores, spec, config.version, actor=config.actor, reason=config.reason)
        releases.sync_registry(stores, spec)
    context.add_output_metadata({"version": config.version, "archived_now": changed})


_STOP = "Make the endpoint refuse all prediction requests until it is started again."
_START = "Start a stopped endpoint again with the versions that it served before."
_DELETE = "Remove all versions from the endpoint permanently; its history and logs are kept."
_OPS = {
    "deploy": (deploy_op, "Deploy a version to an endpoint. Choose the endpoint as the partition."),
    "promote": (promote_op, "Promote a version one step towards champion. Choose the endpoint as the partition."),
    "rollback": (rollback_op, "Roll back to the previous champion, or undo it. Choose the endpoint as the partition."),
    "validate": (validate_op, "Check a deploy without applying it. Choose the endpoint as the partition."),
    "stop": (_endpoint_op("stop_endpoint", _STOP, releases.stop), _STOP),
    "start": (_endpoint_op("start_endpoint", _START, releases.start), _START),
    "delete": (_endpoint_op("delete_endpoint", _DELETE, releases.delete), _DELETE),
    "archive": (archive_op, "Archive a version. Choose the endpoint as the partition."),
}


def _reason(given: str, default: str, *, required: bool) -> str:
    """Return the reason given, or the default, which is no reason to go past a gate."""
    return given if given or required else default


def _job(name: str, op: dg.OpDefinition, about: str, partitions: dg.StaticPartitionsDefinition) -> dg.JobDefinition:
    @dg.job(name=name, description=about, partitions_def=partitions, executor_def=dg.in_process_executor)
    def release() -> None:
        op()

    return release


def _run(
    context: dg.OpExecutionContext,
    modelops_project: ProjectResource,
    apply: Callable[[Stores, EndpointSpec], Change],
) -> None:
    """Apply the change to the run's endpoint, update MLflow's aliases, and show the result."""
    with modelops_project.stores() as stores:
        spec = endpoint_named(stores, context.partition_key)
        change = apply(stores, spec)
        if not change.dry_run:
            releases.sync_registry(stores, spec)
    context.log.info(change.sentence)
    context.add_output_metadata({name: value for name, value in vars(change).items() if value is not None})
