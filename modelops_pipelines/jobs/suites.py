"""The job that runs an endpoint's suites of stored cases against a version."""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.models.sandbox import DEADLINE
from modelops_pipelines.operations.testing.run_suites import run_suite, suite_names
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.store.state.release.suite_runs import VersionTest

SHOWN_FAILURES = 100


class TestConfig(dg.Config):
    """Which version to test, on which suite (all of the endpoint, when left out)."""

    __test__ = False  # no test of pytest's

    version: str
    suite: str = ""
    deadline: float = DEADLINE
    actor: str = "dagster"


@dg.op(name="test_version", description="Have the version answer each stored case; fails when a case fails.")
def test_op(context: dg.OpExecutionContext, config: TestConfig, project: ProjectResource) -> None:
    """Test a version."""
    with project.stores() as stores:
        spec = endpoint_named(stores, context.partition_key)
        names = suite_names(stores, spec, config.suite or None)
        runs = [run_suite(stores, spec, config.version, name, config.actor, deadline=config.deadline) for name in names]
    failed = sum(run.failed for run in runs)
    cases = sum(run.cases for run in runs)
    if failed:
        said = f"Version {config.version} failed {failed} of {cases} cases"
        raise dg.Failure(description=said, metadata=_shown(runs), allow_retries=False)
    context.log.info("version %s passed all %s cases", config.version, cases)
    context.add_output_metadata(_shown(runs))


def testing_job(endpoints: Sequence[str]) -> dg.JobDefinition:
    """Return the job for these endpoints."""
    about = "Run the stored cases of the endpoint's suites against a version. Choose the endpoint as the partition."
    partitions = dg.StaticPartitionsDefinition(list(endpoints))

    @dg.job(name="test_model", description=about, partitions_def=partitions, executor_def=dg.in_process_executor)
    def test_model() -> None:
        test_op()

    return test_model


def _shown(runs: Sequence[VersionTest]) -> dict[str, dg.MetadataValue]:
    """Return the runs and their failures as two tables."""
    names = ("suite", "version", "cases", "passed", "seconds", "inputs_hash")
    told = [dg.TableRecord({name: str(getattr(run, name)) for name in names}) for run in runs]
    failed = [dg.TableRecord({"suite": run.suite, **_texts(one)}) for run in runs for one in run.failures]
    shown: dict[str, dg.MetadataValue] = {"suites": dg.MetadataValue.table(told)}
    if failed:
        shown["failures"] = dg.MetadataValue.table(failed[:SHOWN_FAILURES])
    return shown


def _texts(failure: object) -> dict[str, str]:
    return {str(name): str(value) for name, value in dict(failure).items()}  # type: ignore[call-overload]
