"""From a prediction over accepted feedback to a version, through the steps themselves: why and where follow it."""

from pathlib import Path

from modelops_pipelines.operations.improve.lineage.send_events import send_lineage
from modelops_pipelines.operations.improve.lineage.where import where
from modelops_pipelines.operations.improve.lineage.why import why
from tests.support.lineage_files import written
from tests.worlds.learned import make_learned


def test_accepted_feedback_is_followed_through_a_retraining_both_ways(tmp_path: Path) -> None:
    learned = make_learned(tmp_path / "project", MODELOPS_OPENLINEAGE="lineage.jsonl")
    project, frozen, trained, judged = learned.project, learned.frozen, learned.trained, learned.judged
    stores, spec, accepted, ignored = project.stores, project.spec, learned.accepted, learned.ignored

    found = why(stores, spec, trained.record.version)
    assert found.training_set is not None
    assert found.sources is not None
    assert found.feedback is not None
    assert frozen.record.content_hash == found.training_set.content_hash
    assert {"feedback", "inference_log", "labels"} <= set(found.training_set.tables)
    assert [accepted] == found.feedback.ids
    assert found.started_by is not None
    assert "asked by ann" == found.started_by.reason
    assert [judged.record.verdict] == [one.verdict for one in found.gate]
    assert ["trained"] == [one.status for one in found.attempts]
    assert {one.guard for one in found.checks} != set()
    assert {"rows": 1, "who": "cleo"} == {"rows": len(found.feedback.ids), "who": accepter(found)}
    assert (1, {"feedback": 1}) == (
        frozen.numbers["feedback"],
        {"feedback": frozen.numbers["label_sources"]["feedback"]},
    )

    held = where(stores, spec, accepted)
    assert [(frozen.record.content_hash, True)] == [(one.content_hash, one.counts) for one in held.sets]
    assert [trained.record.version] == [one.version for one in held.versions]
    assert "1" == held.answered_by
    assert [] == list(where(stores, spec, ignored).versions)

    send_lineage(stores)
    built = [one for one in written(project) if one["job"]["name"] == "cancer.training_set"][-1]
    read = {one["name"]: one["facets"]["version"]["datasetVersion"] for one in built["inputs"]}
    assert str(found.training_set.tables["feedback"]) == read["cancer.feedback"]
    assert {"mean_radius", "benign"} <= set(built["outputs"][0]["facets"]["columnLineage"]["fields"])
    project.stores.database.close()


def accepter(found: object) -> str:
    [one] = [person.name for person in found.people if person.did == "accepted feedback"]  # type: ignore[attr-defined]
    return str(one)
