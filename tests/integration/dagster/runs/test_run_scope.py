"""A run's process loads what its run needs, and as its code server had it; Dagster's databases are those of its classes."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.code_pointer import CodePointer, FileCodePointer, ModuleCodePointer
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType
from dagster._core.definitions.metadata.metadata_value import CodeLocationReconstructionMetadataValue
from dagster._core.definitions.repository_definition import RepositoryLoadData
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._grpc.types import ExecuteRunArgs

from modelops_pipelines.definitions import SNAPSHOT, defs
from modelops_pipelines.resources.dagster_storage import KEPT_OPEN, OpenEventLog
from modelops_pipelines.resources.run_launcher import RUN_PROCESS, command_of
from modelops_pipelines.resources.run_process import ALLOCATIONS, collect_from_now_on
from modelops_pipelines.resources.run_scope import CODE_LOCATION, KIND_TAG, MONITORING, VARIABLE, RunScope
from tests.support.paths import ROOT
from tests.support.project import CANCER_YAML, Project, make_project

OURS = ModuleCodePointer(CODE_LOCATION, "defs", None)
SELECTED = frozenset({dg.AssetKey(["lungs", "labels"]), dg.AssetKey(["lungs", "drift"])})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = make_project(tmp_path / "project")
    for name in ("lungs", "skin"):
        (made.folder / "endpoints" / f"{name}.yaml").write_text(CANCER_YAML.replace("name: cancer", f"name: {name}"))
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def scope_of(pointer: CodePointer = OURS, job: str = "__ASSET_JOB", **run: Any) -> RunScope | None:
    repository = RepositoryPythonOrigin(sys.executable, pointer, None, None, None)
    made = dg.DagsterRun(job_name=job, run_id=dg._core.utils.make_new_run_id(), **run)
    return RunScope.of(made, JobPythonOrigin(job, repository))


def test_the_scope_of_a_run_are_its_assets_endpoints_or_its_partition() -> None:
    monitoring = scope_of(asset_selection=SELECTED, tags={KIND_TAG: MONITORING})
    assert RunScope(["lungs"], True, True) == monitoring
    assert RunScope(["lungs"], True, False) == scope_of(asset_selection=SELECTED)
    assert RunScope(["skin"], False) == scope_of(job="deploy", tags={"dagster/partition": "skin"})
    assert RunScope(None, False) == scope_of(job="reconcile")
    assert scope_of() is None, "all assets"
    assert scope_of(FileCodePointer("mine.py", "defs", None), asset_selection=SELECTED) is None, "a user's own code"
    assert monitoring == RunScope.read(monitoring.text() if monitoring else None)


def test_a_run_with_a_scope_has_a_process_of_ours_unless_its_project_has_an_entry_point(tmp_path: Path) -> None:
    scope = scope_of(asset_selection=SELECTED)

    def command(entry: list[str] | None, scope: RunScope | None) -> list[str]:
        repository = RepositoryPythonOrigin(sys.executable, OURS, None, entry, None)
        return [*command_of(ExecuteRunArgs(JobPythonOrigin("__ASSET_JOB", repository), "a-run", None), scope)][:-1]

    ours = [sys.executable, "-P", "-m", RUN_PROCESS, "api", "execute_run"]
    for entry in (None, ["dagster"], [sys.executable, "-m", "dagster"]):
        assert ours == command(entry, scope)
    assert ["dagster", "api", "execute_run"] == command(["dagster"], None)
    assert ["mine", "api", "execute_run"] == command(["mine"], scope)
    done = subprocess.run([*ours, "--help"], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "execute_run" in done.stdout


def test_garbage_is_looked_for_once_a_run_s_code_is_loaded_and_elsewhere_as_before(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    collect_from_now_on()
    assert (True, before, frozen) == (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count())
    monkeypatch.setenv(VARIABLE, RunScope(["cancer"], True, True).text())
    gc.disable()
    try:
        defs()
        assert (True, ALLOCATIONS) == (gc.isenabled(), gc.get_threshold()[0])
        assert gc.get_freeze_count() > frozen
    finally:
        gc.set_threshold(*before)
        gc.enable()


def test_a_run_loads_its_own_endpoints_and_all_jobs(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = defs()
    monkeypatch.setenv(VARIABLE, RunScope(["lungs"], True).text())
    some = defs()
    assert {"lungs"} == {key.path[0] for key in some.resolve_all_asset_keys()}
    jobs = {job.name for job in whole.resolve_all_job_defs()}
    assert jobs == {job.name for job in some.resolve_all_job_defs()}
    monkeypatch.setenv(VARIABLE, RunScope(["skin"], False).text())
    job = defs().resolve_job_def("deploy")
    assert ["skin"] == list(job.partitions_def.get_partition_keys() if job.partitions_def else [])
    monkeypatch.setenv(VARIABLE, RunScope(None, False).text())
    assert set() == set(defs().resolve_all_asset_keys())
    assert {"lungs", "skin", "cancer", "modelops"} == {key.path[0] for key in whole.resolve_all_asset_keys()}


@pytest.fixture
def loaded(project: Project) -> Iterator[str]:
    """Load the code location, and then be the process of one of its runs; return the snapshot's number."""
    metadata = defs().metadata[SNAPSHOT]
    number = metadata.data if isinstance(metadata, CodeLocationReconstructionMetadataValue) else metadata
    data = RepositoryLoadData({}, {SNAPSHOT: number})
    with DefinitionsLoadContext.scoped(DefinitionsLoadContext(DefinitionsLoadType.RECONSTRUCTION, data)):
        yield str(number)


@pytest.mark.usefixtures("loaded")
def test_a_run_is_of_the_configuration_that_its_code_server_had(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project.folder / "endpoints" / "lungs.yaml"
    path.write_text(path.read_text() + "  alerts: [{kind: error_rate, above: 0.9}]\n")
    monkeypatch.setenv(VARIABLE, RunScope(["lungs"], True).text())
    checks = {key.name for key in defs().resolve_asset_graph().asset_check_keys}
    assert {"drift", "data_quality", "latency_p95_ms"} <= checks, "as before: the new file has one rule alone"
    for file in (project.stores.settings.home / "dagster" / "configurations").glob("*.json"):
        file.unlink()
    now = {key.name for key in defs().resolve_asset_graph().asset_check_keys}
    assert {"error_rate"} == now & {"error_rate", "drift", "data_quality", "latency_p95_ms"}


def test_monitoring_makes_arrays_without_pandas_and_frames_with_it(project: Project) -> None:
    code = (
        "import sys\n"
        "from modelops_pipelines.definitions import defs\n"
        "defs()\n"
        "import pyarrow as pa\n"
        "table = pa.Table.from_pylist([{'x': 1.0}, {'x': None}])\n"
        "assert 'pandas' not in sys.modules\n"
        "frame = table.to_pandas()\n"
        "assert 1 == pa.array(frame['x']).null_count == pa.Table.from_pandas(frame)['x'].null_count\n"
    )
    told = {VARIABLE: RunScope(["cancer"], True, True).text(), "PYTHONPATH": str(ROOT)}
    around = {**project.environment, **told, "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, env=around, check=True, timeout=120)


@dg.op
def nothing() -> None:
    pass


@dg.job(executor_def=dg.in_process_executor)
def a_job() -> None:
    nothing()


def test_dagster_s_own_class_reads_what_was_written_and_the_other_way_round(tmp_path: Path) -> None:
    storages = {
        name: {
            "module": "modelops_pipelines.resources.dagster_storage",
            "class": kind,
            "config": {"base_dir": str(tmp_path / folder)},
        }
        for name, kind, folder in (
            ("event_log_storage", "OpenEventLog", "history/runs"),
            ("run_storage", "OpenRuns", "history"),
            ("schedule_storage", "OpenSchedules", "schedules"),
        )
    }
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=storages) as ours:
        runs = [a_job.execute_in_process(instance=ours).run_id for _ in range(KEPT_OPEN + 2)]
        assert isinstance(ours.event_log_storage, OpenEventLog)
        counted = [len(ours.all_logs(run)) for run in runs]
    with dg.DagsterInstance.local_temp(str(tmp_path)) as theirs:
        assert isinstance(theirs.event_log_storage, SqliteEventLogStorage)
        assert counted == [len(theirs.all_logs(run)) for run in runs]
        later = a_job.execute_in_process(instance=theirs).run_id
        with dg.DagsterInstance.local_temp(str(tmp_path), overrides=storages) as ours:
            assert [later, *runs[::-1]] == [run.run_id for run in ours.get_runs()]
            assert counted[0] == len(ours.all_logs(later))
            (tmp_path / "history" / "runs" / f"{later}.db").unlink()
            assert [] == ours.all_logs(later), "a file that is gone is not read through what was open"
