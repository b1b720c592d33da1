"""An endpoint whose YAML Dagster has not loaded: how soon it is told, what is so, since when, and what to press."""

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.alerting.watches import code_location_watch as watch
from modelops_pipelines.operations.alerting.watches.code_location_watch import PATIENCE, LoadedEndpoints
from modelops_pipelines.operations.endpoints.configurations import Configurations, Faulty
from tests.support.project import make_project

LOADED = datetime(2026, 1, 1, 12, tzinfo=UTC)
CANCER = EndpointSpec("cancer", "tumours", "binary_classification", "benign")
LUNGS = replace(CANCER, name="lungs")
DAILY = replace(CANCER, window="day")
FOLDER = Path("/clinic/defs")


class Disk:
    """The endpoints' files of a test, with the times at which they were written."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.written = folder, dict[str, datetime]()

    def found(self, *specs: EndpointSpec, faulty: tuple[str, ...] = ()) -> Configurations:
        paths: dict[str, Path] = {}
        for spec in specs:
            paths[spec.name] = path = self.folder / f"{spec.name}.yaml"
            path.touch()
            at = self.written.get(spec.name, LOADED - timedelta(days=1)).timestamp()
            os.utime(path, (at, at))
        faults = tuple(Faulty(name, self.folder / f"{name}.yaml", ()) for name in faulty)
        return Configurations(specs, faults, paths)


def minutes(number: float) -> datetime:
    return LOADED + timedelta(minutes=number)


def behind(loaded: LoadedEndpoints, found: Configurations, at: float) -> Mapping[str, str]:
    return loaded.behind(found, FOLDER, minutes(at))


def test_what_is_as_it_was_loaded_is_not_told(tmp_path: Path) -> None:
    disk, loaded = Disk(tmp_path), LoadedEndpoints([CANCER, LUNGS], LOADED)
    for at in (0, 5, 1000):
        assert {} == behind(loaded, disk.found(CANCER, LUNGS), at)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ((CANCER, LUNGS), {"lungs": "was added, and it is not monitored"}),
        ((DAILY,), {"cancer": "has changed, and it is monitored as it was before"}),
        ((), {"cancer": f"no file in {FOLDER} declares it, and it is still monitored"}),
    ],
)
def test_a_file_that_was_added_changed_or_removed_is_told_with_its_time_and_what_to_press(
    tmp_path: Path, now: tuple[EndpointSpec, ...], said: dict[str, str]
) -> None:
    disk, loaded = Disk(tmp_path), LoadedEndpoints([CANCER], LOADED)
    assert {} == behind(loaded, disk.found(CANCER), 0)
    disk.written = {spec.name: minutes(10) for spec in now if spec != CANCER}
    assert {} == behind(loaded, disk.found(*now), 10)
    told = behind(loaded, disk.found(*now), 13)
    assert said.keys() == told.keys()
    for name, words in said.items():
        assert words in told[name]
        assert "since 2026-01-01T12:10:00Z" in told[name]
        assert "Deployment, Code locations, and press Reload" in told[name]
    assert told == behind(loaded, disk.found(*now), 500), "the words stay, so that the alert is not said again"


def test_what_reloads_by_itself_is_never_told(tmp_path: Path) -> None:
    disk, loaded = Disk(tmp_path), LoadedEndpoints([CANCER], LOADED)
    disk.written = {"lungs": minutes(1)}
    assert {} == behind(loaded, disk.found(CANCER, LUNGS), 1 + PATIENCE.total_seconds() / 60 - 0.1)
    assert {} == behind(LoadedEndpoints([CANCER, LUNGS], minutes(2)), disk.found(CANCER, LUNGS), 60)


def test_a_value_that_only_dagster_knows_is_no_change_until_its_file_changes(tmp_path: Path) -> None:
    disk, loaded = Disk(tmp_path), LoadedEndpoints([replace(CANCER, owners=("team:clinic",))], LOADED)
    raw = replace(CANCER, owners=("{{ env.TEAM }}",))
    for at in (0, 60):
        assert {} == behind(loaded, disk.found(raw), at)
    disk.written = {"cancer": minutes(70)}
    assert ["cancer"] == list(behind(loaded, disk.found(replace(raw, window="day")), 80))


def test_a_file_copied_with_its_old_time_counts_from_when_it_appeared(tmp_path: Path) -> None:
    disk, loaded = Disk(tmp_path), LoadedEndpoints([CANCER], LOADED)
    assert {} == behind(loaded, disk.found(CANCER), 0)
    assert {} == behind(loaded, disk.found(CANCER, LUNGS), 30)
    assert "since 2026-01-01T12:30:00Z" in behind(loaded, disk.found(CANCER, LUNGS), 33)["lungs"]


def test_a_file_with_a_fault_is_that_alert_s_affair(tmp_path: Path) -> None:
    disk, loaded = Disk(tmp_path), LoadedEndpoints([CANCER], LOADED)
    for at in (0, 60):
        assert {} == behind(loaded, disk.found(faulty=("cancer",)), at)


def test_its_alert_opens_is_not_said_again_and_resolves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores: Any = make_project(tmp_path / "project").stores
    problems = {"lungs": "its YAML was added"}
    changes = [watch.watch_code_location(stores, said, stores.now()) for said in (problems, problems, {}, {}, {})]
    assert [["opened"], [], ["passed"], ["resolved"], []] == [[one.change for one in each] for each in changes]
    assert changes[0][0].alert.kind == watch.CODE_LOCATION
