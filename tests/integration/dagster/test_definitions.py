"""The code location: what it defines, that a second endpoint takes one YAML, and how a wrong YAML is refused."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from modelops_pipelines import ModelEndpoint
from modelops_pipelines.definitions import defs
from modelops_pipelines.operations.endpoints.kept import keep
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.resources.asset_reports import ALERTS
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.common import RETRAINING_ASSETS
from modelops_pipelines.store.stores import Stores
from tests.fakes.faulty_files import FAULTS, NOT_TOLD
from tests.support.gateway import running_gateway
from tests.support.paths import ROOT
from tests.support.project import CANCER_YAML, cancer_frame, make_project, rows_of
from tests.worlds.dagster_project import MONITORING, START, World, checks_of, failure_of, send, wait_for_segments, world

GOLDEN = Path(__file__).parent / "flights_definitions.txt"
DIABETES_YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: diabetes
  model_name: progression
  task: regression
  label: progression
  window: day
  trainer: tests.fakes.trainers:linear
  owners: ["team:clinic"]
  allow_replay: true
  alerts:
    - {kind: quality, metric: rmse, above: 10, minimum: 20}
"""
TABLES = {
    "inference_log",
    "labels",
    "feedback",
    "service_metrics",
    "profiles",
    "drift",
    "data_quality",
    "quality_metrics",
    "custom_metrics",
    "estimated_quality",
    "key_usage",
    "shadow_log",
}
SENSORS = {"new_data", "alerts", "retraining", "promotion", "trials", "shadows", "lost_runs", "notifications"}
SHARED = """\
import dagster as dg
from modelops_pipelines.components.model_endpoint import ModelEndpoint, shared_definitions


@dg.definitions
def shared(context: dg.ComponentLoadContext):
    endpoints = context.component_tree.get_all_components(of_type=ModelEndpoint)
    return shared_definitions([endpoint.spec() for endpoint in endpoints])
"""


@pytest.fixture(scope="module")
def flights() -> dg.Definitions:
    """Return the code location of this repository, as its workspace.yaml loads it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for name in [name for name in os.environ if name.startswith("MODELOPS_")]:
            patch.delenv(name)
        return defs()


def test_the_code_location_loads_and_is_what_it_was(flights: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(flights)
    assert GOLDEN.read_text() == described(flights)


def test_every_asset_says_what_it_is_whose_it_is_and_what_is_in_it(flights: dg.Definitions) -> None:
    specs = [spec for spec in flights.resolve_all_asset_specs() if spec.key != ALERTS]
    for spec in specs:
        assert spec.description, spec.key
        assert (spec.group_name, list(spec.owners), spec.tags["endpoint"]) == (
            "flights",
            ["team:data-science"],
            "flights",
        )
        assert spec.kinds, spec.key
        if spec.key.path[-1] in TABLES:
            columns = spec.metadata["dagster/column_schema"].columns
            assert all(column.description for column in columns), spec.key
    assert {spec.key.path[-1] for spec in specs if "dagster/column_schema" in spec.metadata} == {
        *TABLES,
        "feedback_training_rows",
    }


def described(definitions: dg.Definitions) -> str:
    """Return what the definitions define, a line each."""
    graph = definitions.resolve_asset_graph()
    assets = [
        f"asset {key.to_user_string()} <- {', '.join(sorted(up.path[-1] for up in graph.get(key).parent_keys)) or 'nothing'}"
        for key in graph.get_all_asset_keys()
    ]
    checks = [
        f"check {key.asset_key.to_user_string()}: {key.name}{' (blocking)' if graph.get(key).blocking else ''}"
        for key in graph.asset_check_keys
    ]
    jobs = [
        f"job {job.name} of {', '.join(job.partitions_def.get_partition_keys())}"
        for job in definitions.resolve_all_job_defs()
        if job.partitions_def
    ]
    sensors = [f"sensor {sensor.name} every {sensor.minimum_interval_seconds} s" for sensor in definitions.sensors]
    schedules = [f"schedule {schedule.name} at {schedule.cron_schedule}" for schedule in definitions.schedules]
    return "\n".join([*sorted(assets), *sorted(checks), *sorted(jobs), *sorted(sensors), *schedules]) + "\n"


@dataclass
class Two:
    """Two endpoints, their first versions, a day of traffic, and the runs that worked it off."""

    world: World
    runs: dict[str, dg.ExecuteInProcessResult]


def diabetes_frame() -> Any:
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(as_frame=True)
    return bunch.data.assign(progression=bunch.target)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    frames = {"cancer": cancer_frame(), "diabetes": diabetes_frame()}
    with world(tmp_path_factory.mktemp("two"), DIABETES_YAML) as made:
        stores = made.project.stores
        for name, frame in frames.items():
            spec = endpoint_named(stores, name)
            version = trainers.train_first(stores, spec, frame).version
            deploy(stores, spec, version, actor="ann", reason="first", force=True)
        with running_gateway(made.project) as gateway:
            for day in range(6):
                for name, frame in frames.items():
                    spec = endpoint_named(stores, name)
                    rows = frame.sample(60, random_state=day)
                    send(
                        gateway, rows_of(rows, spec.label), rows[spec.label].tolist(), START + timedelta(days=day), name
                    )
            wait_for_segments(made.project, *frames)
        yield Two(made, {name: made.materialise(all_of(stores, name), name) for name in frames})


def all_of(stores: Stores, endpoint: str) -> set[str]:
    return {*endpoint_named(stores, endpoint).monitored, "drift_report", *RETRAINING_ASSETS}


@pytest.mark.parametrize("endpoint", ["cancer", "diabetes"])
def test_an_endpoint_is_one_yaml_and_all_its_assets_materialise(two: Two, endpoint: str) -> None:
    run = two.runs[endpoint]
    made = {
        event.asset_key.path[-1]: event.materialization.metadata for event in run.get_asset_materialization_events()
    }
    assert set(made) == all_of(two.world.project.stores, endpoint)
    counts = {name: metadata["dagster/row_count"].value for name, metadata in made.items() if name in TABLES}
    named = ("inference_log", "labels", "service_metrics", "quality_metrics", "key_usage")
    assert tuple(counts[name] for name in named) == (360, 360, 6, 6, 6)
    monitored = 10 + 1 if endpoint == "diabetes" else 4 + 2  # the features, the prediction, a classifier's score
    assert counts["profiles"] == counts["drift"] == 6 * monitored
    newest = 7 if endpoint == "diabetes" else 3  # a head of two lines, then the last thirty windows: days or hours
    assert made["quality_metrics"]["newest"].value.count("\n") == newest


@pytest.mark.parametrize("endpoint", ["cancer", "diabetes"])
def test_each_metrics_and_drift_asset_shows_a_table_and_a_picture(two: Two, endpoint: str) -> None:
    events = two.runs[endpoint].get_asset_materialization_events()
    pictured = {}
    for event in events:
        shown = {name: value.value for name, value in event.materialization.metadata.items()}
        if "newest" in shown:
            pictured[event.asset_key.path[-1]] = any("data:image/svg+xml" in str(value) for value in shown.values())
    named = {"service_metrics", "quality_metrics", "profiles", "drift", "data_quality"}
    named |= {"estimated_quality"} if endpoint == "cancer" else set()
    assert named == {name for name, drawn in pictured.items() if drawn}
    assert set(pictured) - named <= {"key_usage", "custom_metrics"}


def test_a_gate_without_evidence_is_not_judged_and_the_asset_says_its_numbers(two: Two) -> None:
    run = two.runs["cancer"]
    assert run.success
    assert "gate" not in checks_of(run)
    [shown] = run.asset_materializations_for_node("cancer__evaluation")
    told = str(shown.metadata["not_judged"].value)
    assert "| gate | not judged: not enough evidence: " in told
    assert "but 1000 rows and 10 days are required" in told


def test_a_regressions_rule_is_judged_on_its_own_metric(two: Two) -> None:
    check = checks_of(two.runs["diabetes"])["quality_rmse"]
    assert not check.passed
    assert "is above 10" in check.description


def test_sensors_speak_of_every_endpoint(two: Two) -> None:
    said = two.world.tick("new_data").skip_message
    assert said == "cancer, diabetes: 0 sealed segment(s), 0 pending window(s)"


def test_an_endpoint_without_a_trainer_has_no_learning_assets(tmp_path: Path) -> None:
    with world(tmp_path, yaml=CANCER_YAML.replace("  trainer: tests.fakes.trainers:logistic\n", "")) as made:
        names = {key.path[-1] for key in made.definitions.resolve_all_asset_keys()}
        assert names == {*MONITORING, "drift_report", "shadow_log", "alerts"}


def test_endpoints_work_as_components_of_a_dagster_project() -> None:
    with create_defs_folder_sandbox() as sandbox:
        for name, yaml in (("one", CANCER_YAML), ("two", DIABETES_YAML)):
            (sandbox.defs_folder_path / name).mkdir()
            (sandbox.defs_folder_path / name / "defs.yaml").write_text(yaml)
        (sandbox.defs_folder_path / "shared.py").write_text(SHARED)
        with sandbox.build_all_defs() as built:
            dg.Definitions.validate_loadable(built)
            keys = {key.path[0] for key in built.resolve_all_asset_keys()}
            assert keys == {"cancer", "diabetes", "modelops"}
            assert {sensor.name for sensor in built.sensors} == SENSORS
        with sandbox.load_component_and_build_defs(sandbox.defs_folder_path / "one") as (_, alone):
            dg.Definitions.validate_loadable(alone)


def test_a_component_takes_every_attribute_from_python_too() -> None:
    component = ModelEndpoint.from_attributes_dict(
        attributes={
            "name": "cancer",
            "model_name": "tumours",
            "task": "binary_classification",
            "label": "benign",
            "window": "day",
        }
    )
    assert component.spec().window == "day"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("  task: binary\n", "defs.yaml:5: task: 'binary' is not a valid value. Did you mean 'binary_classification'?"),
        ("  windw: hour\n", "defs.yaml:11: windw: "),
        ("  alerts: [{kind: drifts}]\n", "defs.yaml:11: alerts[0].kind: "),
        ("  label_horizon: soon\n", "defs.yaml:11: label_horizon: "),
    ],
)
def test_a_wrong_component_is_told_by_file_line_culprit_and_fix_and_harms_no_other(line: str, said: str) -> None:
    yaml = CANCER_YAML.replace("  task: binary_classification\n", line) if "task" in line else CANCER_YAML + line
    with create_defs_folder_sandbox() as sandbox:
        (sandbox.defs_folder_path / "one").mkdir()
        (sandbox.defs_folder_path / "one" / "defs.yaml").write_text(yaml)
        (sandbox.defs_folder_path / "two").mkdir()
        (sandbox.defs_folder_path / "two" / "defs.yaml").write_text(DIABETES_YAML)
        with sandbox.build_all_defs() as built:
            dg.Definitions.validate_loadable(built)
            assert said in _shown_fault(built, "cancer")
            assert dg.AssetKey(["diabetes", "inference_log"]) in built.resolve_all_asset_keys()


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - NOT_TOLD))
def test_a_faulty_file_is_shown_in_dagster_and_harms_no_other_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    project = make_project(tmp_path / "project")
    other = project.folder / "endpoints" / "other.yaml"
    other.write_text(CANCER_YAML.replace("cancer", "other"))
    FAULTS[fault](other)
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    built = defs()
    dg.Definitions.validate_loadable(built)
    assert str(other) in _shown_fault(built, "other")
    assert dg.AssetKey(["cancer", "inference_log"]) in built.resolve_all_asset_keys()
    assert dg.AssetKey(["other", "inference_log"]) not in built.resolve_all_asset_keys()


def test_an_endpoint_that_served_keeps_its_assets_while_its_file_is_faulty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "project")
    path = project.folder / "endpoints" / "endpoint.yaml"
    keep(project.stores.settings, project.spec, path)
    path.write_text("attributes: [")
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    built = defs()
    dg.Definitions.validate_loadable(built)
    assert "the configuration that it served with last is in force" in _shown_fault(built, "cancer")
    assert dg.AssetKey(["cancer", "candidate"]) in built.resolve_all_asset_keys()


def test_the_alert_sensor_tells_of_a_faulty_file_and_of_its_mending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "project")
    path = project.folder / "endpoints" / "endpoint.yaml"
    keep(project.stores.settings, project.spec, path)
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    built = defs()
    sensor = built.resolve_sensor_def("alerts")
    with dg.DagsterInstance.ephemeral() as instance:
        for content, expected in (("attributes: [", ["configuration"]), (CANCER_YAML, ["configuration"]), (None, [])):
            if content is not None:
                path.write_text(content)
            context = dg.build_sensor_context(instance, resources={"modelops_project": ProjectResource()})
            sensor(context)
            assert expected == [alert.kind for alert in project.stores.alerts.find("cancer", "open")]


def test_the_tags_of_an_endpoint_are_those_of_its_assets(tmp_path: Path) -> None:
    with world(tmp_path, yaml=f"{CANCER_YAML}  tags: [checkout, eu.west]\n") as made:
        own = [one for one in made.definitions.resolve_all_asset_specs() if one.key.path[0] == "cancer"]
        assert own
        assert all({"endpoint": "cancer", "checkout": "", "eu.west": ""}.items() <= one.tags.items() for one in own)


def _shown_fault(built: dg.Definitions, endpoint: str) -> str:
    spec = next(one for one in built.resolve_all_asset_specs() if one.key == dg.AssetKey([endpoint, "faulty_yaml"]))
    return str(spec.description)


def test_what_is_wrong_with_a_step_reads_as_our_message(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        run = made.materialise(["training_set"])
        said = "No version of model 'tumours' is recorded in this project. Train one, or deploy one from the registry"
        assert failure_of(run) == said
        [empty] = made.materialise(["drift_report"]).get_asset_materialization_events()
        told = empty.materialization.metadata["reason"].value
        assert told == "The log of endpoint 'cancer' is empty. Send it requests first"
        run = made.materialise(["service_metrics"], config={"start": "yesterday", "end": ""})
        assert failure_of(run).startswith("start is 'yesterday', which is not an ISO 8601 time")
