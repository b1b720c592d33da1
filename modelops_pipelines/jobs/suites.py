"""The job that runs an endpoint's suites of stored test cases on a version."""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.models.sandbox import DEADLINE
from modelops_pipelines.operations.testing.run_suites import run_suite, suite_names
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.store.state.release.suite_runs import VersionTest

SHOWN_FAILURES = 100


class TestConfig(dg.Config):
    """The version to test, and the suite; without a suite, all suites of the endpoint."""

    __test__ = False  # pytest must not collect it

    version: str
    suite: str = ""
    deadline: float = DEADLINE
    actor: str = "dagster"


@dg.op(name="test_version", description="Run the stored test cases on the version; fails when a case fails.")
def test_op(context: dg.OpExecutionContext, config: TestConfig, modelops_project: ProjectResource) -> None:
    """Test a version."""
    with modelops_project.stores() as stores:
        spec = endpoint_named(stores, context.partition_key)
        names = suite_names(stores, spec, config.suite or None)
        runs = [run_suite(stores, spec, config.version, name, config.actor, deadline=config.deadline) for name in names]
    failed = sum(run.failed for run in runs)
    cases = sum(run.cases for run in runs)
    if failed:
        description = f"Version {config.version} failed {failed} of {cases} cases"
        raise dg.Failure(description=description, metadata=_tables(runs), allow_retries=False)
    context.log.info("version %s passed all %s cases", config.version, cases)
    context.add_output_metadata(_tables(runs))


def testing_job(endpoints: Sequence[str]) -> dg.JobDefinition:
    """Return the job for these endpoints."""
    about = "Run the stored test cases of the endpoint's suites on a version. Choose the endpoint as the partition."
    partitions = dg.StaticPartitionsDefinition(list(endpoints))

    @dg.job(name="test_model", description=about, partitions_def=partitions, executor_def=dg.in_process_executor)
    def test_model() -> None:
        test_op()

    return test_model


def _tables(runs: Sequence[VersionTest]) -> dict[str, dg.MetadataValue]:
    """Return the runs and their failures as two tables."""
    names = ("suite", "version", "cases", "passed", "seconds", "inputs_hash")
    summaries = [dg.TableRecord({name: str(getattr(run, name)) for name in names}) for run in runs]
    failed = [dg.TableRecord({"suite": run.suite, **_texts(failure)}) for run in runs for failure in run.failures]
    tables: dict[str, dg.MetadataValue] = {"suites": dg.MetadataValue.table(summaries)}
    if failed:
        tables["failures"] = dg.MetadataValue.table(failed[:SHOWN_FAILURES])
    return tables


def _texts(failure: object) -> dict[str, str]:
    return {str(name): str(value) for name, value in dict(failure).items()}  # type: ignore[call-overload]
