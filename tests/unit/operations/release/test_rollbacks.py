"""A rollback, and its undo, say first what they would do, and do it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.errors import ConflictError, GateError, InputError
from modelops_pipelines.core.release.desired_state import variants_of
from modelops_pipelines.core.release.guards import Verdict
from modelops_pipelines.operations.release.commands import archive, deploy, roll_back
from modelops_pipelines.operations.release.rollbacks import offer_of_undo, undo_rollback
from modelops_pipelines.operations.release.settle import settle
from modelops_pipelines.operations.release.trials.withdraw import withdraw_version
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores
from tests.support.project import Project, make_project

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHO: dict[str, Any] = {"actor": "ann", "reason": "too many errors"}
BACK: dict[str, Any] = {"actor": "bob", "reason": "it was the network"}


class Clocked(Stores):
    """Real stores whose clock stands still."""

    def now(self) -> datetime:
        """Return the time."""
        return NOW


@pytest.fixture
def live(tmp_path: Path) -> Project:
    """Return a project whose champions were versions 1 and 2."""
    project = make_project(tmp_path)
    project.stores = Clocked(project.stores.settings)
    for version in ("1", "2", "3"):
        known = ModelVersion("tumours", version, "/nowhere", {"x": "float"}, ["0", "1"], None, None, NOW)
        project.stores.deployments.record_version(known)
    for version in ("1", "2"):
        deploy(project.stores, project.spec, version, actor="ann", reason="newer", force=True)
    return project


def withdraw(live: Project) -> None:
    """Have a guard roll back version 2."""
    state = live.stores.deployments.desired("cancer")
    verdict = Verdict("fail", "errors", "2 % more errors", {"excess": 0.02, "callers": 300})
    assert withdraw_version(live.stores, live.spec, state, "2", verdict, actor="watchdog")


def test_a_rollback_says_first_where_it_leads_and_why_that_version_had_left(live: Project) -> None:
    told = roll_back(live.stores, live.spec, **WHO, dry_run=True).sentence
    assert "would rollback 2 -> 1" in told
    assert "version 1 was champion until 2026-03-01T12:00:00Z, when ann made the deploy to 2: newer" in told
    assert "2" == live.stores.deployments.desired("cancer").champion


def test_a_rollback_of_a_rollback_is_offered_where_it_is_refused_and_undoes_it(live: Project) -> None:
    roll_back(live.stores, live.spec, **WHO)
    with pytest.raises(ConflictError, match="no earlier champion") as refused:
        roll_back(live.stores, live.spec, **WHO)
    left = "version 2 was rolled back on 2026-03-01T12:00:00Z by ann: too many errors"
    assert f"cancer: {left}. To return to it: modelops rollback cancer --undo --reason TEXT" == refused.value.remedy
    told = undo_rollback(live.stores, live.spec, actor="bob", reason="", dry_run=True).sentence
    assert f"would undo 1 -> 2 (100 % of the traffic, generation 4); {left}" in told
    assert "1" == live.stores.deployments.desired("cancer").champion
    undo_rollback(live.stores, live.spec, **BACK)
    assert variants_of("2") == live.stores.deployments.desired("cancer").variants
    event = live.stores.deployments.events("cancer")[-1]
    assert ("undo", "1", "2", "it was the network", 3, None) == (
        event.action,
        event.from_version,
        event.to_version,
        event.reason,
        event.evidence["undoes"],
        event.evidence.get("forced"),
    )
    assert "1" == roll_back(live.stores, live.spec, **WHO).to_version


def test_the_undo_of_a_guard_s_rollback_shows_its_numbers_and_asks_for_force(live: Project) -> None:
    withdraw(live)
    numbers = '(guard \'errors\', numbers {"callers": 300, "excess": 0.02})'
    told = undo_rollback(live.stores, live.spec, **BACK, dry_run=True).sentence
    with pytest.raises(GateError) as refused:
        undo_rollback(live.stores, live.spec, **BACK)
    offer = offer_of_undo(live.stores.deployments.events("cancer"), "cancer")
    assert [True] * 3 == [numbers in text for text in (told, refused.value.message, offer or "")]
    assert "modelops rollback cancer --undo --force --reason TEXT" in refused.value.remedy
    assert "1" == live.stores.deployments.desired("cancer").champion
    undo_rollback(live.stores, live.spec, **BACK, force=True)
    assert "2" == live.stores.deployments.desired("cancer").champion
    assert live.stores.deployments.events("cancer")[-1].evidence["forced"] is True


def test_an_undo_without_a_reason_or_of_an_archived_version_is_refused(live: Project) -> None:
    roll_back(live.stores, live.spec, **WHO)
    with pytest.raises(InputError, match="requires a reason"):
        undo_rollback(live.stores, live.spec, actor="bob", reason=" ")
    live.stores.deployments.heartbeat("worker", "http://w", NOW)
    live.stores.deployments.acknowledge("worker", "cancer", 3, None, NOW)
    settle(live.stores, live.spec)
    archive(live.stores, live.spec, "2", **WHO)
    with pytest.raises(ConflictError, match="Version 2 of model 'tumours' is archived"):
        undo_rollback(live.stores, live.spec, **BACK)
    assert "1" == live.stores.deployments.desired("cancer").champion


def test_a_release_in_between_ends_what_can_be_undone(live: Project) -> None:
    roll_back(live.stores, live.spec, **WHO)
    deploy(live.stores, live.spec, "3", **WHO, share=10)
    assert offer_of_undo(live.stores.deployments.events("cancer"), "cancer") is None
    with pytest.raises(ConflictError, match="is no rollback, so there is nothing to undo"):
        undo_rollback(live.stores, live.spec, **BACK)


def test_a_challenger_is_withdrawn_again_though_no_gateway_has_served_the_first_withdrawal(live: Project) -> None:
    for _ in range(2):
        deploy(live.stores, live.spec, "3", **WHO, share=10)
        assert roll_back(live.stores, live.spec, **WHO).changed
        assert variants_of("2") == live.stores.deployments.desired("cancer").variants
