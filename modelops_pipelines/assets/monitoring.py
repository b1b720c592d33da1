"""An endpoint's monitoring as one step of a run: each table is an asset of its own, and all share one process and step.

Dagster's own work for a step, its events and its databases, takes ten times what it takes for an asset within one.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from modelops_pipelines.assets.metadata import markdown_table
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.platforms.time_limit import OutOfTimeError, time_limit
from modelops_pipelines.resources.project import ProjectResource, as_failure
from modelops_pipelines.resources.run_scope import ENDPOINT_PREFIX, SLOW_PREFIX, SLOW_TAG
from modelops_pipelines.store.stores import Stores

STEP = "monitoring"
LONGEST_ALONE = 86_400.0
"""Seconds that an endpoint's monitoring may take in a run in which nothing waits for it."""


class Recompute(dg.Config):
    """Leave both empty to recompute the windows that changed; give both (ISO 8601) to recompute a range in one run."""

    start: str = ""
    end: str = ""

    def requested_range(self) -> Range | None:
        """Return the requested range, or None for the windows that changed."""
        if not self.start and not self.end:
            return None
        return Range(_moment("start", self.start), _moment("end", self.end))


@dataclass(frozen=True)
class Shown:
    """What a table's asset shows after it was computed: metadata, its checks' results, and why others have none."""

    metadata: Mapping[str, Any]
    checks: Sequence[dg.AssetCheckResult] = ()
    not_judged: Mapping[str, str] | None = None

    def result(self, asset: dg.AssetKey, wanted: set[str]) -> dg.MaterializeResult:
        """Return Dagster's result, with those of the checks that the run has."""
        rows = [{"check": name, "reason": reason} for name, reason in (self.not_judged or {}).items()]
        told = {"not_judged": markdown_table(rows)} if rows else {}
        checks = [check for check in self.checks if check.check_name in wanted]
        return dg.MaterializeResult(asset_key=asset, metadata={**self.metadata, **told}, check_results=checks)


@dataclass(frozen=True)
class MonitoredTable:
    """A table of an endpoint's monitoring: its asset and checks, and what computes it and says what to show.

    A check without a result is shown as skipped, which is neither passed nor failed.
    """

    asset: dg.AssetSpec
    checks: Sequence[dg.AssetCheckSpec]
    compute: Callable[[Stores, Range | None], Shown]

    @property
    def name(self) -> str:
        """The table's name."""
        return self.asset.key.path[-1]


def step_of(endpoint: str, step: str = STEP) -> str:
    """Return the name of the step that monitors an endpoint, or of another one of it."""
    return f"{endpoint}__{step}"


def monitoring_of(
    spec: EndpointSpec, tables: Sequence[MonitoredTable], step: str = STEP, about: str | None = None
) -> dg.AssetsDefinition:
    """Return the assets of an endpoint's tables, which a run computes in the order given, all or some of them.

    ``step`` is the name of the step beside the endpoint's, ``about`` its description.

    A table that fails leaves out those that are computed from it, and no other; the step fails in the end. In a run of
    several endpoints each may take ``monitoring_seconds`` only: one that takes longer fails, and is marked as slow.
    """

    @dg.multi_asset(
        name=step_of(spec.name, step),
        description=about
        or f"Ingest what was captured of {spec.name!r}, recompute the windows that changed, judge its rules.",
        specs=[table.asset for table in tables],
        check_specs=[check for table in tables for check in table.checks],
        can_subset=True,
    )
    def monitoring(
        context: dg.AssetExecutionContext, config: Recompute, modelops_project: ProjectResource
    ) -> Iterator[dg.MaterializeResult]:
        chosen = [table for table in tables if table.asset.key in context.selected_asset_keys]
        wanted = {(check.asset_key, check.name) for check in context.selected_asset_check_keys}
        asked, failures, left_out = config.requested_range(), list[dg.Failure](), set[dg.AssetKey]()
        with modelops_project.stores() as stores:
            limit = stores.settings.monitoring_seconds if _is_joint(context.run) else LONGEST_ALONE
            end = time.monotonic() + limit
            for table in chosen:
                if any(dependency.asset_key in left_out for dependency in table.asset.deps):
                    left_out.add(table.asset.key)
                    context.log.warning("%s is left out: what it is computed from failed", table.name)
                    continue
                try:
                    with time_limit(end - time.monotonic()), as_failure():
                        shown = table.compute(stores, asked)
                except OutOfTimeError:
                    marks = {SLOW_TAG: "true", f"{SLOW_PREFIX}{spec.name}": "true"}
                    context.instance.add_run_tags(context.run.run_id, marks)
                    failures.append(_out_of_time(table.name, limit))
                    break
                except dg.Failure as failure:
                    left_out.add(table.asset.key)
                    failures.append(failure)
                    context.log.error("%s failed: %s", table.name, failure.description)  # noqa: TRY400 - its text is all
                else:
                    yield shown.result(table.asset.key, {name for asset, name in wanted if asset == table.asset.key})
        if failures:
            raise _joined(failures)

    return monitoring


def _is_joint(run: dg.DagsterRun) -> bool:
    """Return whether a run monitors several endpoints."""
    return sum(tag.startswith(ENDPOINT_PREFIX) for tag in run.tags) > 1


def _out_of_time(table: str, limit: float) -> dg.Failure:
    described = f"it took over {limit:g} s, and was stopped in {table}: what was written before stays"
    remedy = (
        "The next run has this endpoint alone, and a day for it. See what takes long (a metric of yours, for one), or "
        "set MODELOPS_MONITORING_SECONDS"
    )
    return dg.Failure(described, metadata={"remedy": remedy}, allow_retries=False)


def _joined(failures: Sequence[dg.Failure]) -> dg.Failure:
    """Return one failure of all; a single one as it is."""
    if len(failures) == 1:
        return failures[0]
    described = "; ".join(dict.fromkeys(str(failure.description) for failure in failures))
    return dg.Failure(
        described, metadata=failures[0].metadata, allow_retries=all(one.allow_retries for one in failures)
    )


def _moment(name: str, value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        example = "Give both start and end, for example 2026-01-31T00:00:00Z"
        description = f"{name} is {value!r}, which is not an ISO 8601 time. {example}"
        raise dg.Failure(description=description, allow_retries=False) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
