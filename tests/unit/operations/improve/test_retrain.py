"""Which verdict lets a version be promoted without a person."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec, Promotion
from modelops_pipelines.core.evaluation.gate import FAIL, NOT_ENOUGH, PASS, GateConfig
from modelops_pipelines.operations.improve.evaluation.candidates import held_gate, promotable_gate
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import START, VERSION
from tests.support.project import Project, make_project


class Clocked(Stores):
    """Real stores whose clock stands still."""

    def now(self) -> datetime:
        """Return the time."""
        return START + timedelta(hours=2)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project whose version 1 is live, whose version 2 is known, and which promotes without a person."""
    made = make_project(tmp_path / "project")
    made.stores = Clocked(made.stores.settings)
    for version in ("1", "2"):
        made.stores.deployments.record_version(replace(VERSION, version=version))
    deploy(made.stores, made.spec, "1", actor="ann", reason="first")
    made.spec = replace(made.spec, promotion=Promotion(automatic=True))
    yield made
    made.stores.database.close()


def judged(project: Project, at: int = 0, **changes: Any) -> Gate:
    gate = Gate("cancer", "2", "1", f"data {at}", project.spec.gate.hash, PASS, {}, START + timedelta(hours=at))
    gate = replace(gate, **changes)
    project.stores.gates.record(gate)
    return gate


def waiting(project: Project, spec: EndpointSpec | None = None) -> Gate | None:
    return promotable_gate(project.stores, spec or project.spec)


def test_a_passed_verdict_waits_until_its_version_was_tried(project: Project) -> None:
    assert waiting(project) is None
    assert judged(project) == waiting(project)
    deploy(project.stores, project.spec, "2", actor="ann", reason="tried", share=20)
    assert waiting(project) is None


def test_without_automatic_promotion_nothing_waits(project: Project) -> None:
    judged(project)
    assert waiting(project, replace(project.spec, promotion=Promotion())) is None


def test_a_held_pass_waits_for_a_person(project: Project) -> None:
    held = judged(project, numbers={"held": ["version 2 was not trained by this project"]})
    assert (None, held) == (waiting(project), held_gate(project.stores, project.spec))
    plain = judged(project, 1)
    assert (plain, None) == (waiting(project), held_gate(project.stores, project.spec))
    judged(project, 2, verdict=FAIL, numbers={"held": ["a"]})
    assert (None, None) == (waiting(project), held_gate(project.stores, project.spec))


@pytest.mark.parametrize(
    "changes",
    [{"verdict": FAIL}, {"verdict": NOT_ENOUGH}, {"champion": "7"}, {"at": -24 * 15}],
    ids=["a fail", "not enough evidence", "another champion", "too old"],
)
def test_a_newest_verdict_that_lets_nothing_in_is_none(project: Project, changes: dict[str, Any]) -> None:
    judged(project)
    judged(project, **{"at": 1, **changes})
    assert waiting(project) is None


def test_a_verdict_under_other_settings_of_the_gate_is_none(project: Project) -> None:
    judged(project)
    stricter = replace(project.spec, gate=GateConfig(margin=0))
    assert waiting(project, stricter) is None
    again = judged(project, 1, gate_hash=stricter.gate.hash)
    assert again == waiting(project, stricter)
    assert waiting(project) is None
