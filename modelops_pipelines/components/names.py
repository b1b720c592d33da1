"""Names of definitions in a code location that is not ours: a name that is taken there gets a prefix."""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

PREFIX = "modelops_"


@dataclass(frozen=True)
class Taken:
    """The names in use: those of sensors and schedules, which share one space, of jobs, and of ops and graphs."""

    automations: frozenset[str]
    jobs: frozenset[str]
    nodes: frozenset[str]

    @classmethod
    def by(cls, others: Sequence[dg.Definitions]) -> "Taken":
        """Return the names that these definitions have."""
        automations: list[Any] = [each for one in others for each in (*(one.sensors or ()), *(one.schedules or ()))]
        jobs = [job for one in others for job in one.jobs or ()]
        jobs += [job for each in automations for job in _targets_of(each)]
        assets = [asset for one in others for asset in one.assets or () if isinstance(asset, dg.AssetsDefinition)]
        ops = {asset.node_def.name for asset in assets if asset.is_executable}
        nodes = {name for job in jobs for name in _nodes_of(job)}
        names = frozenset(each.name for each in automations)
        return cls(names, frozenset(job.name for job in jobs), frozenset(nodes | ops))


def apart(definitions: dg.Definitions, taken: Taken) -> dg.Definitions:
    """Return the definitions with PREFIX before each name of a job, op, sensor or schedule that is taken.

    A run's configuration stays as it is: an op is known to it by the name that it has in its job.
    """
    jobs = {id(job): _job(job, taken) for job in definitions.jobs or () if isinstance(job, dg.JobDefinition)}
    sensors = [_automation(sensor, jobs, taken) for sensor in definitions.sensors or ()]
    schedules = [_automation(schedule, jobs, taken) for schedule in definitions.schedules or ()]
    return dg.Definitions(
        assets=definitions.assets,
        jobs=list(jobs.values()),
        sensors=sensors,
        schedules=schedules,
        resources=definitions.resources,
        metadata=definitions.metadata,
    )


def _nodes_of(job: Any) -> Iterable[str]:
    """Return the names of a job's ops and graphs. A job of assets has those of its assets, and its own."""
    if isinstance(job, dg.JobDefinition):
        return [job.graph.name, *(node.name for node in job.all_node_defs)]
    if isinstance(job, dg.GraphDefinition):
        return [job.name, *(node.name for node in job.node_defs)]
    return [job.name] if isinstance(job, UnresolvedAssetJobDefinition) else []


def _targets_of(automation: Any) -> list[Any]:
    """Return the jobs that a sensor or a schedule starts: Dagster defines them too."""
    if getattr(automation, "has_jobs", False):
        return list(automation.jobs)
    return [automation.job] if getattr(automation, "has_job", False) else []


def _job(job: dg.JobDefinition, taken: Taken) -> dg.JobDefinition:
    """Return the job, or one of another name that does the same: each of ours is one op."""
    [op] = job.graph.node_defs
    clash = job.name in taken.jobs | taken.nodes
    if not isinstance(op, dg.OpDefinition) or not (clash or op.name in taken.nodes):
        return job
    [node] = job.graph.nodes
    own = op.with_replaced_properties(name=PREFIX + op.name) if op.name in taken.nodes else op
    graph = dg.GraphDefinition(
        name=PREFIX + job.name if clash else job.name,
        description=job.description,
        node_defs=[own],
        dependencies={dg.NodeInvocation(own.name, alias=node.name): {}},
    )
    return graph.to_job(
        description=job.description, partitions_def=job.partitions_def, executor_def=dg.in_process_executor
    )


def _automation(one: Any, jobs: dict[int, dg.JobDefinition], taken: Taken) -> Any:
    """Return a sensor or schedule that starts the jobs that there are, by a name that is free."""
    targets = [jobs.get(id(job), job) for job in _targets_of(one)]
    if targets:
        one = one.with_updated_job(targets[0])  # each of ours starts one job, or the assets
    if one.name not in taken.automations:
        return one
    renamed = copy(one)
    renamed._name = PREFIX + one.name  # noqa: SLF001 - Dagster copies a sensor with any attribute but this one
    return renamed
