"""One component brings a user's project its sensors, jobs and schedules: once, whatever else the project defines."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from modelops_pipelines.components import model_endpoint
from modelops_pipelines.resources.project import ProjectResource
from tests.support.project import CANCER_YAML
from tests.worlds.user_project import UserProject, tick, user_project

SENSORS = {"new_data", "alerts", "retraining", "promotion", "trials", "shadows", "lost_runs", "notifications"}
SCHEDULES = {"cadence", "review", "reconcile", "maintenance", "compaction"}
BY_HAND = """\
import dagster as dg

from modelops_pipelines.components.model_endpoint import ModelEndpoint, shared_definitions


@dg.definitions
def shared(context: dg.ComponentLoadContext) -> dg.Definitions:
    endpoints = context.component_tree.get_all_components(of_type=ModelEndpoint)
    return shared_definitions([endpoint.spec() for endpoint in endpoints])
"""
IN_PYTHON = """\
import dagster as dg

from modelops_pipelines import ModelEndpoint


@dg.component_instance
def load(context):
    return ModelEndpoint({"name": "skin", "model_name": "moles", "task": "regression", "label": "depth"})
"""
OURS = "from modelops_pipelines.definitions import defs  # Dagster takes what it finds in a module\n"
THEIRS = """\
import dagster as dg


@dg.asset
def alerts() -> None: ...


@dg.asset(deps=[dg.AssetKey(["cancer", "inference_log"])])
def report() -> None: ...


@dg.op
def maintain() -> None: ...


@dg.op
def deploy_version() -> None: ...


@dg.job
def deploy() -> None:
    maintain()
    deploy_version()


@dg.job
def trial() -> None:
    maintain()


@dg.sensor(job=deploy, name="new_data")
def theirs() -> dg.SkipReason:
    return dg.SkipReason("theirs")


@dg.sensor(target=dg.AssetSelection.assets("report"), name="compaction")
def more() -> dg.SkipReason:
    return dg.SkipReason("theirs")


executor = dg.multiprocess_executor.configured({"max_concurrent": 2})


@dg.definitions
def project() -> dg.Definitions:
    return dg.Definitions(
        assets=[alerts, report], jobs=[deploy, trial], sensors=[theirs, more], executor=executor,
        resources={"project": dg.ResourceDefinition.hardcoded_resource("their own")},
    )
"""


def yaml_of(name: str, **more: str) -> str:
    return CANCER_YAML.replace("name: cancer", f"name: {name}") + "".join(f"  {k}: {v}\n" for k, v in more.items())


@contextmanager
def loaded(folder: Path, files: Mapping[str, str], inside: str = "src") -> Iterator[tuple[UserProject, dg.Definitions]]:
    with user_project(folder, files, inside=inside) as project:
        yield project, project.load()


def assert_one_of_each(definitions: dg.Definitions, *endpoints: str, prefixed: frozenset[str] = frozenset()) -> None:
    sensors, schedules = [one.name for one in definitions.sensors], [one.name for one in definitions.schedules]
    ours = {f"modelops_{name}" if name in prefixed else name for name in SENSORS | SCHEDULES}
    assert ours <= {*sensors, *schedules}
    assert {name: n for name, n in Counter([*sensors, *schedules]).items() if n > 1} == {}
    retrain = definitions.resolve_job_def("retrain")
    assert sorted(retrain.partitions_def.get_partition_keys()) == sorted(endpoints)
    keys = definitions.resolve_all_asset_keys()
    assert {key for key in keys if key.path[-1] == "inference_log"} == {
        dg.AssetKey([name, "inference_log"]) for name in endpoints
    }
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("inside", ["src", "."])
def test_a_project_without_endpoints_is_as_it_was_and_one_or_three_bring_all_once(tmp_path: Path, inside: str) -> None:
    with user_project(tmp_path, {}, inside=inside) as project:
        assert list(project.load().sensors or ()) == []
        project.add({"one/defs.yaml": yaml_of("cancer")})
        assert_one_of_each(project.load(), "cancer")
        project.add({"deep/in/two/component.yaml": yaml_of("lungs"), "three/defs.yml": yaml_of("bones")})
        assert_one_of_each(project.load(), "cancer", "lungs", "bones")


@pytest.mark.parametrize("file", ["aaa.py", "zzz/shared.py"])
def test_who_adds_them_by_hand_has_them_once_too(tmp_path: Path, file: str) -> None:
    files = {file: BY_HAND, "one/defs.yaml": yaml_of("cancer"), "two/defs.yaml": yaml_of("lungs")}
    with loaded(tmp_path, files) as (_, definitions):
        assert_one_of_each(definitions, "cancer", "lungs")
        assert definitions.resources["modelops_project"] is model_endpoint.RESOURCES["modelops_project"]


def test_an_endpoint_may_be_made_in_python_and_a_value_may_be_a_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM", "team:oncology")
    files = {"skin.py": IN_PYTHON, "one/defs.yaml": yaml_of("cancer", owners="['{{ env.TEAM }}']")}
    with loaded(tmp_path, files) as (_, definitions):
        assert_one_of_each(definitions, "cancer", "skin")
        key = dg.AssetKey(["cancer", "drift"])
        assert list(definitions.resolve_asset_graph().get(key).owners) == ["team:oncology"]


def test_our_own_code_location_may_be_merged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with user_project(tmp_path, {"zzz.py": OURS, "one/defs.yaml": yaml_of("cancer")}) as project:
        monkeypatch.setenv("MODELOPS_ENDPOINTS", str(project.defs))
        assert_one_of_each(project.load(), "cancer")


def test_names_that_are_theirs_stay_theirs_and_ours_have_a_prefix(tmp_path: Path) -> None:
    with loaded(tmp_path, {"theirs.py": THEIRS, "one/defs.yaml": yaml_of("cancer")}) as (_, definitions):
        assert_one_of_each(definitions, "cancer", prefixed=frozenset({"new_data", "compaction"}))
        assert definitions.executor is not None
        assert definitions.executor.name == "multiprocess"
        keys = [key.path for key in definitions.resolve_all_asset_keys() if key.path[-1] == "alerts"]
        assert sorted(keys) == [["alerts"], ["modelops", "alerts"]]
        deploys = {name: definitions.resolve_job_def(name) for name in ("deploy", "modelops_deploy")}
        assert sorted(node.name for node in deploys["deploy"].nodes) == ["deploy_version", "maintain"]
        dg.validate_run_config(
            deploys["modelops_deploy"], {"ops": {"deploy_version": {"config": {"version": "1", "reason": "first"}}}}
        )
        assert isinstance(definitions.resources["modelops_project"], ProjectResource)
        assert [job.name for job in definitions.resolve_sensor_def("trials").jobs] == ["modelops_trial"]


def test_a_job_whose_op_has_a_name_of_theirs_runs_as_it_is_configured(tmp_path: Path) -> None:
    with loaded(tmp_path, {"theirs.py": THEIRS, "one/defs.yaml": yaml_of("cancer")}) as (_, definitions):
        job = definitions.resolve_job_def("maintenance")
        ran = job.execute_in_process(run_config={"ops": {"maintain": {"config": {"dry_run": True}}}})
        assert ran.success
        assert ran.asset_materializations_for_node("maintain") == []


@pytest.mark.parametrize("theirs", [{}, {"theirs.py": THEIRS}], ids=["alone", "beside theirs"])
def test_every_sensor_and_schedule_ticks_in_the_project_s_folder_wherever_dagster_was_started(
    tmp_path: Path, theirs: Mapping[str, str]
) -> None:
    files = {**theirs, "one/defs.yaml": yaml_of("cancer"), "two/defs.yaml": yaml_of("lungs")}
    with loaded(tmp_path, files) as (project, definitions), dg.DagsterInstance.ephemeral() as instance:
        for sensor in definitions.sensors:
            assert tick(definitions, instance, sensor.name).skip_message, sensor.name
        for schedule in ("cadence", "review"):
            with dg.build_schedule_context(
                instance=instance,
                repository_def=definitions.get_repository_def(),
                resources=definitions.resources,
                scheduled_execution_time=datetime(2026, 1, 1, tzinfo=UTC),
            ) as context:
                assert definitions.resolve_schedule_def(schedule).evaluate_tick(context).skip_message
        assert (project.folder / ".modelops" / "state.db").is_file()
        assert not (project.folder / "elsewhere" / ".modelops").exists()


def test_a_name_belongs_to_the_first_component_and_the_second_is_told_of(tmp_path: Path) -> None:
    files = {"one/defs.yaml": yaml_of("cancer"), "two/defs.yaml": yaml_of("cancer", window="day")}
    with loaded(tmp_path, files) as (_, definitions):
        assert_one_of_each(definitions, "cancer")
        [told] = [one for one in definitions.resolve_all_asset_specs() if one.key.path[-1] == "faulty_yaml"]
        assert "endpoint 'cancer' is already declared by another component" in told.description
        assert str(Path("two") / "defs.yaml") in told.description


def test_a_faulty_endpoint_that_comes_first_brings_the_loop_of_the_others(tmp_path: Path) -> None:
    files = {"aaa/defs.yaml": yaml_of("lungs", windw="hour"), "one/defs.yaml": yaml_of("cancer")}
    with loaded(tmp_path, files) as (_, definitions):
        assert_one_of_each(definitions, "cancer")


def test_a_component_that_is_built_by_itself_brings_its_assets_alone() -> None:
    component = model_endpoint.ModelEndpoint(
        {"name": "skin", "model_name": "moles", "task": "regression", "label": "depth"}
    )
    built = dg.build_defs_for_component(component)
    dg.Definitions.validate_loadable(built)
    assert list(built.sensors or ()) == []
    assert dg.AssetKey(["skin", "drift"]) in built.resolve_all_asset_keys()
