"""The asset of accepted feedback: as many rows as pieces of feedback, and which of them the log holds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelops_pipelines.core.capture.spool_records import Feedback
from modelops_pipelines.operations.improve.feedback.act_on_feedback import accept, delete
from tests.fakes.records import write_segment
from tests.fakes.said import ingest_all, said, write_log, write_said
from tests.worlds.dagster_project import checks_of, world

NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)


def test_the_asset_counts_what_was_accepted_and_says_what_the_log_lacks(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        project = made.project

        def counted() -> tuple[int, bool | None]:
            run = made.materialise(["feedback_training_rows"])
            assert run.success
            [event] = [one for one in run.all_events if one.is_step_materialization]
            count = event.step_materialization_data.materialization.metadata["dagster/row_count"].value
            checked = checks_of(run)
            return count, checked["joins_the_log"].passed if checked else None

        assert (0, None) == counted()
        records = write_log(project.stores, 3)
        rows = [
            said(one, 0, NOON + timedelta(minutes=n), Feedback(corrected_label="0")) for n, one in enumerate(records)
        ]
        write_said(project.stores, rows)
        ingest_all(project)
        for row in rows * 2:
            accept(project.stores, project.spec, row["feedback_id"], "ann")
        assert (3, True) == counted()
        delete(project.stores, project.spec, rows[0]["feedback_id"], "ann")
        assert (2, True) == counted()
        stray = said({**records[0], "id": "a" * 40}, 0, NOON, Feedback(corrected_label="0"))
        write_segment(project.stores, "cancer", "feedback", "stray", [{"rows": [stray]}])
        accept(project.stores, project.spec, stray["feedback_id"], "ann")
        assert (3, False) == counted()
