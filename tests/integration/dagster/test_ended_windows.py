"""A calibrated verdict waits for the end of its window, and the sensor asks for it then, with or without new data."""

from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.store.stores import Stores
from tests.fakes.records import START
from tests.support.project import CANCER_YAML
from tests.worlds.dagster_project import world

HOUR = START.replace(minute=0)


def test_a_window_is_asked_for_when_its_time_is_over_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with world(tmp_path, yaml=CANCER_YAML.replace("method: fixed", "method: calibrated")) as made:
        made.project.stores.touched_windows.mark("cancer", ["drift"], [HOUR])
        monkeypatch.setattr(Stores, "now", lambda _: HOUR + timedelta(minutes=59))
        assert made.tick("new_data").skip_message == "cancer: 0 sealed segment(s), 0 pending window(s)"
        assert made.materialise(["drift"]).success
        monkeypatch.setattr(Stores, "now", lambda _: HOUR + timedelta(minutes=60))
        (request,) = made.tick("new_data").run_requests
        assert request.tags["modelops/reason"] == "new data: 0 segment(s), 1 pending window(s), 1 endpoint(s)"
        assert made.materialise(["drift"]).success
        assert made.tick("new_data").skip_message == "cancer: 0 sealed segment(s), 0 pending window(s)"
