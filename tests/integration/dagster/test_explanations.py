"""Explanations in Dagster: a step of their own, asked for by a sensor that only endpoints that explain bring."""

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pyarrow as pa
import pytest

from modelops_pipelines.assets.explanations import attribution_drift_for
from modelops_pipelines.core.tables.explanations import ATTRIBUTION_DRIFT, ATTRIBUTIONS
from modelops_pipelines.core.timestamps import to_micros
from modelops_pipelines.definitions import defs
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.sensors.common import ENDPOINT_TAG
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from tests.fakes.records import START, request_record, write_segment
from tests.support.project import CANCER_YAML, cancer_frame, rows_of, train_first
from tests.support.versions import answers_of
from tests.worlds.dagster_project import World, checks_of, world

YAML = CANCER_YAML + "  explain: {sample: 1}\n  alerts: [{kind: attribution_drift, above: 0.05}]\n"
FEATURES = ("mean_radius", "mean_texture", "mean_smoothness", "mean_concavity")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("explained"), yaml=YAML) as made:
        version = train_first(made.project)
        deploy(made.project.stores, made.project.spec, version.version, actor="ann", reason="first")
        yield made


def log(made: World, number: int, rows: int) -> None:
    frame = rows_of(cancer_frame().head(rows))
    features = {name: [row[name] for row in frame] for name in FEATURES}
    version = made.project.stores.deployments.version("tumours", "1")
    assert version is not None
    answers = answers_of(version, made.project.spec, cancer_frame().head(rows))
    record = request_record("cancer", number, START, rows, f=features, **answers)
    record["at"] = to_micros(datetime.now(UTC))
    write_segment(made.project.stores, "cancer", "predictions", f"w{number}", [record])
    ingest(made.project.stores, made.project.spec, "predictions")


def test_the_sensor_asks_once_for_new_rows_and_the_run_explains_sums_up_and_judges(made: World) -> None:
    log(made, 1, 80)
    said = made.tick("explanations")
    [request] = said.run_requests
    chosen = [dg.AssetKey(["cancer", name]) for name in ("explanations", "attribution_drift")]
    assert chosen == list(request.asset_selection)
    assert ENDPOINT_TAG not in request.tags  # monitoring does not wait
    again = made.tick("explanations", said.cursor)
    assert "1 explained endpoint(s), each without new rows or run in the last 60 s" == again.skip_message
    run = made.materialise(["explanations", "attribution_drift"], by_hand=True)
    assert run.success
    events = {
        event.asset_key.path[-1]: event.materialization.metadata for event in run.get_asset_materialization_events()
    }
    assert (80, 80) == tuple(events["explanations"][name].value for name in ("dagster/row_count", "run_explained"))
    drift = events["attribution_drift"]
    assert "mean_radius" in drift["by_column"].value
    assert {"shares_plot", "distance_plot", "newest"} <= {*drift}
    assert (True, True) == (checks_of(run)["attribution_drift"].passed, checks_of(run)["attribution_drift"].passed)


def test_a_monitoring_run_computes_the_sums_of_marked_windows_without_a_model(made: World) -> None:
    log(made, 2, 10)
    made.project.stores.touched_windows.mark("cancer", ["attribution_drift"], [START.replace(minute=0)])
    run = made.materialise(by_hand=True)
    assert run.success
    assert {"cancer__monitoring", "cancer__explaining"} == {event.step_key for event in run.get_step_success_events()}
    assert "attribution_drift" in {event.asset_key.path[-1] for event in run.get_asset_materialization_events()}


def test_only_a_project_that_explains_has_the_sensor(made: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert "explanations" in {sensor.name for sensor in made.definitions.sensors}
    with world(tmp_path_factory.mktemp("mute")) as mute:
        assert "explanations" not in {sensor.name for sensor in mute.definitions.sensors}
        assert "explanations" not in {key.path[-1] for key in mute.definitions.resolve_all_asset_keys()}


def test_an_endpoint_that_explains_on_request_only_gets_its_reference_rows_by_one_run(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with world(tmp_path_factory.mktemp("asked"), yaml=CANCER_YAML + "  explain: {sample: 0}\n") as asked:
        stores, spec = asked.project.stores, asked.project.spec
        keys = {key.path[-1] for key in asked.definitions.resolve_all_asset_keys()}
        assert "explanations" in keys
        assert "attribution_drift" not in keys
        version = train_first(asked.project)
        deploy(stores, spec, version.version, actor="ann", reason="first")
        [request] = asked.tick("explanations").run_requests
        assert [dg.AssetKey(["cancer", "explanations"])] == list(request.asset_selection)
        run = asked.materialise(["explanations"], by_hand=True)
        assert run.success
        [event] = run.get_asset_materialization_events()
        told = event.materialization.metadata
        assert "200 rows of training set" in str(told["run_references"].value)
        assert (0, 0) == (told["dagster/row_count"].value, told["run_explained"].value)
        assert stores.reference_rows.changed_at("cancer", "tumours", version.version)
        log(asked, 1, 20)
        assert asked.tick("explanations").skip_message.startswith("0 explained endpoint(s)")
        assert asked.materialise(by_hand=True).success
        path = asked.project.folder / "endpoints" / "endpoint.yaml"
        path.write_text(path.read_text() + "  capture: {redact: [mean_radius]}\n")
        redacting = World(asked.project, defs(), asked.instance)
        assert 1 == len(redacting.tick("explanations").run_requests)
        assert redacting.materialise(["explanations"], by_hand=True).success
        assert stores.reference_rows.read("cancer", "tumours", version.version) is None
        assert redacting.tick("explanations").skip_message.startswith("0 explained endpoint(s)")


def test_names_with_markup_are_text_in_metadata_and_charts(made: World) -> None:
    stores, spec, at = made.project.stores, made.project.spec, START.replace(minute=0, second=0, microsecond=0)
    nasty = "<img src=x onerror=alert(1)>|`[a](javascript:b)"
    row = {"window_start": at, "model_version": "1", "n": 60, "date": at.date()}
    more = {"mean": 0.5, "mean_absolute": 0.5, "share": 1.0, "rank": 1, "method": "linear", "scale": "margin"}
    for table, rest in (
        (ATTRIBUTIONS, {"column": nasty, **more}),
        (ATTRIBUTION_DRIFT, {"column": nasty, "n_reference": 0}),
    ):
        content = pa.Table.from_pylist([{**row, **rest}], schema=arrow_schema(table))
        stores.writer.replace_windows("cancer", table, content, [at])
    shown = attribution_drift_for(spec).compute(stores, None).metadata
    for name in ("by_column", "newest", "shares_plot", "distance_plot"):
        told = shown[name].value
        assert re.search(r"(?<!\\)<img", told) is None
        for picture in re.findall("base64,([^)]+)", told):
            assert b"<img" not in base64.b64decode(picture)
    assert "img src" in shown["by_column"].value
