"""The review queue in Dagster: an asset and a schedule, for endpoints whose YAML asks for reviews."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from tests.support.project import make_project
from tests.worlds.dagster_project import shown_of, world_of
from tests.worlds.reviewed import make_reviewed


def test_a_night_fills_the_queue_and_shows_how_much_waits(tmp_path: Path) -> None:
    project, _ = make_reviewed(tmp_path / "project")
    with world_of(project, tmp_path / "dagster") as world:
        schedule = world.definitions.resolve_schedule_def("review")
        at = datetime(2026, 3, 4, 3, 37, tzinfo=UTC)
        with dg.build_schedule_context(instance=world.instance, scheduled_execution_time=at) as context:
            (request,) = schedule.evaluate_tick(context).run_requests
        assert ("review cancer 2026-03-04", [["cancer", "review_queue"]]) == (
            request.run_key,
            [key.path for key in request.asset_selection],
        )
        run = world.materialise(["review_queue"])
        assert run.success
        shown = {name: value.value for name, value in shown_of(run, "review_queue").metadata.items()}
        again = {
            name: value.value
            for name, value in shown_of(world.materialise(["review_queue"]), "review_queue").metadata.items()
        }
    assert (22, {"random": 10, "disagreeing": 2, "costly": 2, "uncertain": 8}) == (shown["open"], shown["added"])
    assert ({}, 22) == (again["added"], again["open"])
    assert "no prediction has verdicts of two reviewers" == shown["kappa_reason"]
    assert ("accuracy", "no drawn prediction is judged yet") == (shown["quality_metric"], shown["quality_reason"])


def test_an_endpoint_without_reasons_has_no_queue_and_no_run(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    with world_of(project, tmp_path / "dagster") as world:
        keys = world.definitions.resolve_asset_graph().get_all_asset_keys()
        schedule = world.definitions.resolve_schedule_def("review")
        at = datetime(2026, 3, 4, 3, 37, tzinfo=UTC)
        with dg.build_schedule_context(instance=world.instance, scheduled_execution_time=at) as context:
            skipped = schedule.evaluate_tick(context).skip_message
    assert dg.AssetKey(["cancer", "training_set"]) in keys
    assert dg.AssetKey(["cancer", "review_queue"]) not in keys
    assert "0 of 1 endpoint(s) have reasons to review in their YAML" == skipped
