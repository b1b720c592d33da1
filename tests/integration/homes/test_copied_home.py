"""A copy of a home, made with ``cp``: it is a home of its own, and never touches the one that it was copied from."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from modelops_pipelines.operations.improve.evaluation.evaluate import evaluate
from modelops_pipelines.operations.release.commands import deploy, roll_back
from tests.support.command_line import modelops
from tests.support.gateway import running_gateway
from tests.support.homes import home_elsewhere
from tests.support.project import Project, cancer_frame, rows_of, train_first
from tests.support.tables import table_rows
from tests.support.waiting import wait_until
from tests.support.watched_files import watched
from tests.worlds.dagster_project import send, wait_for_segments, world_of


def test_a_watched_folder_tells_of_every_touch(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("content")
    with watched(tmp_path) as seen:
        assert [] == seen.events()
        (tmp_path / "sub" / "file").read_text()
        assert [event for event in seen.events() if event.startswith(f"{tmp_path / 'sub' / 'file'} ")]


def test_a_copy_serves_trains_deploys_and_monitors_without_touching_its_origin(origin: Project, tmp_path: Path) -> None:
    shutil.copytree(origin.folder / "home", tmp_path / "elsewhere" / "copy")
    copy = home_elsewhere(origin, tmp_path / "elsewhere" / "copy")
    with watched(origin.folder / "home") as seen:
        told = {row["check"]: row["ok"] for row in modelops(copy, "doctor", "--json").json}
        assert {"home", "state", "history", "serving", "models", "registry"} <= {
            name for name, ok in told.items() if ok
        }
        with running_gateway(copy) as gateway:
            version = train_first(copy, cancer_frame().head(300)).version
            deploy(copy.stores, copy.spec, version, actor="test", reason="test", force=True)
            assert version == gateway.predict(rows_of(cancer_frame().head(3))).json()["model_version"]
            roll_back(copy.stores, copy.spec, actor="test", reason="test")
            frame = cancer_frame().head(40)
            send(gateway, rows_of(frame), frame["benign"].tolist(), copy.stores.now())
            wait_for_segments(copy)
        evaluate(copy.stores, copy.spec, version)
        with world_of(copy, tmp_path / "dagster") as made:
            run = made.materialise()
        assert run.success, [event.message for event in run.all_events if event.is_failure]
        assert 3 + 40 == len(table_rows(copy, "inference_log")) - len(cancer_frame())
        assert [] == seen.events()
    assert ["1", "2"] == origin.stores.registry.versions("tumours")


def test_the_gateway_of_a_copy_runs_beside_that_of_its_origin(origin: Project, tmp_path: Path) -> None:
    with running_gateway(origin) as before:
        shutil.copytree(origin.folder / "home", tmp_path / "copy")
        copy = home_elsewhere(origin, tmp_path / "copy")
        with running_gateway(copy) as after:
            deploy(copy.stores, copy.spec, "2", actor="test", reason="test", force=True)
            wait_until(lambda: not copy.stores.deployments.unsettled("cancer"), 20)
            served = [gateway.predict(rows_of(cancer_frame().head(1))).json() for gateway in (before, after)]
    assert ["1", "2"] == [answer["model_version"] for answer in served]
    assert "1" == origin.stores.deployments.desired("cancer").champion


def test_the_address_of_every_file_in_the_registry_leads_into_the_home(origin: Project, tmp_path: Path) -> None:
    home = tmp_path / "wo änders"
    shutil.copytree(origin.folder / "home", home)
    copy = home_elsewhere(origin, home)
    assert ["1", "2"] == copy.stores.registry.versions("tumours")
    shutil.rmtree(origin.folder / "home")
    version = copy.stores.registry.describe("tumours", "1")
    assert version.folder.is_relative_to(home)
    assert {"reference.json"} <= set(copy.stores.registry.reference_files(version))
    with closing(sqlite3.connect(home / "mlflow.db")) as connected:
        told = "\n".join(connected.iterdump())
    assert str(origin.folder / "home") not in told


@pytest.mark.parametrize("name", ["home/inside", "hom", "home2"])
def test_a_home_may_move_below_itself_or_beside_a_name_like_its_own_and_back(
    origin: Project, tmp_path: Path, name: str
) -> None:
    first, second = origin.folder / "home", origin.folder / name
    shutil.move(first, tmp_path / "aside")
    second.parent.mkdir(exist_ok=True)
    shutil.move(tmp_path / "aside", second)
    moved = home_elsewhere(origin, second)
    assert "1" == moved.stores.registry.describe("tumours", "1").version
    moved.stores.database.close()
    shutil.move(second, tmp_path / "aside")
    shutil.rmtree(first, ignore_errors=True)
    shutil.move(tmp_path / "aside", first)
    back = home_elsewhere(origin, first)
    assert back.stores.registry.describe("tumours", "1").folder.is_relative_to(first)


def test_files_elsewhere_stay_where_the_registry_says(origin: Project, tmp_path: Path) -> None:
    external, strayed = "s3://bucket/runs", str(origin.folder / "mlruns" / "0")
    with closing(sqlite3.connect(origin.folder / "home" / "mlflow.db")) as connected, connected:
        connected.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location) VALUES (7, 's3', ?)", [external]
        )
        connected.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0", [strayed])
    shutil.copytree(origin.folder / "home", tmp_path / "copy")
    _ = home_elsewhere(origin, tmp_path / "copy").stores.registry
    with closing(sqlite3.connect(tmp_path / "copy" / "mlflow.db")) as connected:
        found = dict(connected.execute("SELECT experiment_id, artifact_location FROM experiments").fetchall())
    assert (external, (tmp_path / "copy" / "mlartifacts" / "0").as_uri()) == (found[7], found[0])
