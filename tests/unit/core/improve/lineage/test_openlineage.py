"""OpenLineage events as values: a run is always the same one, its start comes first, and nothing of people is in it."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.improve.lineage import steps
from modelops_pipelines.core.improve.lineage.openlineage import events_of, run_id

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@given(st.text(max_size=50), st.text(max_size=50), st.text(max_size=20))
def test_a_run_s_id_is_a_uuid_that_depends_on_the_step_and_the_namespace_alone(
    run: str, other: str, namespace: str
) -> None:
    assert UUID(run_id(run, namespace)).version == 5
    assert run_id(run, namespace) == run_id(run, namespace)
    assert (run == other) == (run_id(run, namespace) == run_id(other, namespace))


def test_a_start_names_what_is_read_and_the_end_what_was_made() -> None:
    step = steps.trained("flights", "delay", "3", "a" * 64, NOW, NOW + timedelta(minutes=2), guards=[("share", True)])
    begun, ended = events_of(step, "ours")
    assert ("START", "2026-03-01T00:00:00Z", []) == (begun["eventType"], begun["eventTime"], begun["outputs"])
    assert ("COMPLETE", "2026-03-01T00:02:00Z") == (ended["eventType"], ended["eventTime"])
    assert ["models.delay"] == [one["name"] for one in ended["outputs"]]
    assert begun["run"]["runId"] == ended["run"]["runId"]
    assert {"ours"} == {one["namespace"] for one in (begun["job"], *ended["inputs"], *ended["outputs"])}


def test_a_step_never_starts_after_its_end() -> None:
    step = steps.trained("flights", "delay", "3", "a" * 64, NOW + timedelta(minutes=2), NOW, guards=[])
    assert step.started_at == step.ended_at == NOW


def test_a_failed_attempt_made_nothing_and_says_its_kind() -> None:
    step = steps.failed_training("flights", 7, "a" * 64, NOW, NOW, "timed out")
    _, ended = events_of(step, "ours")
    assert ("FAIL", []) == (ended["eventType"], ended["outputs"])
    assert "timed out" == ended["run"]["facets"]["errorMessage"]["message"]


def test_a_verdict_has_its_plain_numbers_only() -> None:
    numbers = {"lower": 0.1, "rows": 4, "reason": "ann said so", "slices": [{"name": "x"}], "held": True}
    judged = steps.judged("e", "m", "3", "2", NOW, data_hash="d" * 64, verdict="pass", numbers=numbers)
    _, ended = events_of(judged, "ours")
    assert {"lower": 0.1, "rows": 4, "held": True} == ended["run"]["facets"]["modelops_gate"]["numbers"]
    assert "ann" not in json.dumps(ended)


def test_the_label_comes_from_labels_and_feedback_and_the_other_columns_from_the_log() -> None:
    built = steps.set_built("e", "a" * 64, NOW, rows=3, base_hash=None, inputs=[steps.table("e", "labels", 4)])
    types = {"row_id": "string", "x": "double", "late": "string"}
    _, ended = events_of(steps.with_columns(built, "e", types, "late"), "ours")
    fields = ended["outputs"][0]["facets"]["columnLineage"]["fields"]
    came = {name: [(one["name"], one["field"]) for one in field["inputFields"]] for name, field in fields.items()}
    assert {
        "row_id": [("e.inference_log", "prediction_id")],
        "x": [("e.inference_log", "x")],
        "late": [("e.labels", "label"), ("e.feedback", "corrected_label")],
    } == came
