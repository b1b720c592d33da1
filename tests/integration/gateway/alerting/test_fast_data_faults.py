"""A changed unit is an alert within seconds of the first wrong rows, with nothing but the gateway running."""

import time
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.operations.release.commands import deploy
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, cancer_frame, make_project, rows_of, train_first
from tests.support.waiting import wait_until

ROWS = rows_of(cancer_frame().head(200))
SECONDS = 90


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, RunningGateway]]:
    project = make_project(tmp_path_factory.mktemp("faults"))
    deploy(project.stores, project.spec, train_first(project).version, actor="test", reason="test")
    with running_gateway(project) as gateway:
        yield project, gateway


def test_a_changed_unit_is_an_alert_on_the_feature(running: tuple[Project, RunningGateway]) -> None:
    project, gateway = running
    for row in ROWS[:100]:
        assert 200 == gateway.predict([row]).status_code
    time.sleep(12)  # a look has seen what is normal, however dear the one before was
    assert [] == _open(project)
    wrong = cycle([row | {"mean_radius": row["mean_radius"] * 1000} for row in ROWS])

    def is_found() -> bool:
        gateway.predict([next(wrong)])
        return "data_quality_now" in _open(project)

    wait_until(is_found, SECONDS)
    [alert] = [one for one in project.stores.alerts.find("cancer", OPEN) if one.rule == "data_quality_now"]
    assert ("data_quality_now", "data_quality", 66) == (alert.rule, alert.kind, alert.n)
    assert alert.message.startswith("mean_radius: ")
    assert "are far from those of the training set (median now 1" in alert.message


def _open(project: Project) -> list[Any]:
    return [alert.rule for alert in project.stores.alerts.find("cancer", OPEN)]
