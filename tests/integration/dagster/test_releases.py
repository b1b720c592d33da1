"""Releases as Dagster runs them: from the launchpad, by the trials' sensor, by the reconciler's schedule."""

from collections.abc import Iterator

import dagster as dg
import pytest

from modelops_pipelines.core.release.desired_state import variants_of
from modelops_pipelines.operations.release.commands import deploy
from tests.support.project import CANCER_YAML, cancer_frame, train_first
from tests.worlds.dagster_project import World, failure_of, world

YAML = f"{CANCER_YAML}  promotion: {{strategy: canary, steps: [20, 100], soak: 1s, minimum: 1}}\n"
ROWS = (569, 400, 300)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a world with three registered versions, shared by the tests here."""
    with world(tmp_path_factory.mktemp("releases"), yaml=YAML) as found:
        for rows in ROWS:
            train_first(found.project, cancer_frame().head(rows))
        yield found


@pytest.fixture
def live(trained: World) -> World:
    """Return it with version 1 live."""
    if trained.project.stores.deployments.desired("cancer").status == "stopped":
        trained.run("start")
    deploy(trained.project.stores, trained.project.spec, "1", actor="test", reason="test", force=True)
    return trained


def state_of(found: World) -> tuple[str, tuple[str | None, str | None]]:
    state = found.project.stores.deployments.desired("cancer")
    return state.status, (state.champion, state.challenger)


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    """Return what the run's op shows."""
    [output] = [event for event in result.all_events if event.is_successful_output]
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


def test_an_endpoint_is_stopped_started_and_deleted_from_the_launchpad(live: World) -> None:
    assert live.run("stop", reason="upstream is broken").success
    assert ("stopped", ("1", None)) == state_of(live)
    refused = live.run("deploy", version="2")
    assert not refused.success
    assert "Endpoint 'cancer' is stopped" in failure_of(refused)
    assert live.run("start").success
    assert ("active", ("1", None)) == state_of(live)
    assert live.run("delete", dry_run=True).success
    assert ("active", ("1", None)) == state_of(live)
    assert live.run("delete").success
    assert ("deleted", (None, None)) == state_of(live)
    said = [(event.action, event.actor) for event in live.project.stores.deployments.events("cancer")][-3:]
    assert [("stop", "dagster"), ("start", "dagster"), ("delete", "dagster")] == said


def test_a_deploy_is_validated_without_being_made_and_what_cannot_be_is_refused(live: World) -> None:
    before = len(live.project.stores.deployments.events("cancer"))
    assert "The gate refuses version 2" in failure_of(live.run("validate", version="2"))
    told = metadata_of(live.run("validate", version="2", share=10))
    assert (True, "deploy", 10) == (told["dry_run"], told["action"], told["share"])
    assert "no version '99'" in failure_of(live.run("validate", version="99"))
    assert "The share 0 % is not from 1 to 100" in failure_of(live.run("validate", version="2", share=0))
    assert before == len(live.project.stores.deployments.events("cancer"))


def test_a_version_is_archived_and_refused_from_then_on(live: World) -> None:
    assert metadata_of(live.run("archive", version="3", reason="it was never good"))["archived_now"]
    assert "Version 3 of model 'tumours' is archived" in failure_of(
        live.run("deploy", version="3", force=True, reason="x")
    )
    assert "is the champion" in failure_of(live.run("archive", version="1"))
    assert variants_of("1") == live.project.stores.deployments.desired("cancer").variants


def test_a_trial_is_judged_as_often_as_its_soak_asks_and_nothing_else_is(live: World) -> None:
    assert "cancer: no version is on trial, and no new champion has new labels" == live.tick("trials").skip_message
    assert metadata_of(live.run("promote", version="2", force=True, reason="try it"))["share"] == 20
    [asked] = live.tick("trials").run_requests
    assert ("cancer", "trial") == (asked.partition_key, asked.tags["modelops/kind"])
    keys = {asked.run_key, *(live.tick("trials").run_requests[0].run_key for _ in range(3))}
    assert len(keys) <= 2, "ticks within ten seconds ask once; they may lie on both sides of a boundary"
    told = metadata_of(live.run("trial"))
    assert ("2", "inconclusive") == (told["version"], told["verdict"])
    assert ["2"] == [said.version for said in live.project.stores.trials.of("cancer")][-1:]


def test_a_deploy_over_a_champion_needs_force_with_a_reason_and_its_rollback_is_undone(live: World) -> None:
    assert "The gate refuses version 2 of 'cancer' against champion 1" in failure_of(live.run("deploy", version="2"))
    for job in ("deploy", "promote"):
        assert "Force requires a reason" in failure_of(live.run(job, version="2", force=True))
    told = metadata_of(live.run("deploy", version="2", force=True, reason="we know better"))
    assert ("2", "forced past the gate: it was never evaluated") == (told["to_version"], told["note"])
    assert live.run("rollback").success
    assert "requires a reason" in failure_of(live.run("rollback", undo=True))
    assert live.run("rollback", undo=True, reason="we did").success
    assert ("active", ("2", None)) == state_of(live)


def test_the_reconciler_tells_the_registry_what_a_rollback_left_behind(live: World) -> None:
    live.project.stores.registry.set_aliases("tumours", {"champion": "2"})
    live.project.stores.synced_aliases.record("tumours", {"champion": "2"}, live.project.stores.now())
    job = live.definitions.resolve_job_def("reconcile")
    assert job.execute_in_process(instance=live.instance).success
    assert "1" == live.project.stores.registry.aliases("tumours")["champion"]
