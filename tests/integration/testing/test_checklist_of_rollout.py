"""During a deployment: what the checklist finds of the workers, the shares, the first answers and the trial."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from modelops_pipelines.core.release.crash_guard import Crash
from modelops_pipelines.core.tables.lake import LABELS, SHADOW_LOG, typed_for
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.operations.release.commands import archive, deploy, end_shadow, restore, shadow, stop
from modelops_pipelines.operations.release.settle import settle
from modelops_pipelines.operations.release.trials.canary import advance_trial
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.state.release.trials import Trial
from tests.fakes.records import request_record, write_segment
from tests.support.checklists import found, items_of
from tests.support.project import Project
from tests.worlds.trials import MINUTE, NOW, RIGHT, WHO, WRONG, on_trial, traffic

pytestmark = pytest.mark.usefixtures("untried_versions")
UNSERVED = ("acknowledgements", "shares", "first answers", "crashes")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project with version 1 live and versions 2 and 3 recorded, whose clock stands still."""
    with on_trial(tmp_path / "project") as made:
        yield made


def acknowledge(project: Project, worker: str, generation: int, error: str | None = None) -> None:
    now = project.stores.now()
    project.stores.deployments.heartbeat(worker, "http://w", now)
    project.stores.deployments.acknowledge(worker, "cancer", generation, error, now)


def answered(project: Project, version: str, statuses: list[int], user: str | None = None) -> None:
    """Have the version answer requests now, with these statuses."""
    stores: Any = project.stores
    stores.segments += 1
    records = []
    for number, status in enumerate(statuses):
        failed = {"status": status, "error": "prediction", "f": {}, "p": None, "s": None} if status != 200 else {}
        known = {"version": version, "user": user, **failed}
        records.append(request_record("cancer", 1000 * stores.segments + number, stores.moment, 1, **known))
    write_segment(stores, "cancer", "predictions", "w", records, stores.segments)
    ingest(stores, project.spec, "predictions")


def test_a_version_that_is_not_deployed_has_nothing_to_judge(project: Project) -> None:
    items = items_of(project, "3")
    said = {(items[name].state, items[name].evidence) for name in UNSERVED}
    assert {("unknown", "version 3 is not deployed on the endpoint")} == said
    assert ("unknown", "no deployment of version 3 is recorded") == found(project, "deployment", "3")


def test_a_deployment_is_under_way_served_replaced_or_failed(project: Project) -> None:
    said = "deploy of version 1 by ann, requested on 2026-03-01T12:00:00Z"
    assert ("unknown", f"{said}: it is deploying") == found(project, "deployment")
    acknowledge(project, "w1", 1)
    settle(project.stores, project.spec)
    assert ("passed", f"{said}: all workers served it on 2026-03-01T12:00:00Z") == found(project, "deployment")
    project.stores.deployments.leave("w1")
    deploy(project.stores, project.spec, "2", **WHO, force=True)
    state, evidence = found(project, "deployment", "1")
    assert ("unknown", True) == (state, "another version or deployment replaced it" in evidence)
    acknowledge(project, "w1", 2, "out of memory")
    settle(project.stores, project.spec)
    state, evidence = found(project, "deployment", "2")
    assert ("failed", True) == (state, evidence.endswith("failed: out of memory"))


def test_every_living_worker_has_to_serve_the_present_generation(project: Project) -> None:
    stores: Any = project.stores
    assert ("unknown", "no gateway worker lives that could serve it") == found(project, "acknowledgements")
    acknowledge(project, "w1", 1)
    acknowledge(project, "w2", 0)
    said = "1 of 2 living worker(s) do not serve generation 1 yet: w2 (at 0)"
    assert ("unknown", said) == found(project, "acknowledgements")
    stores.moment += timedelta(minutes=3)
    for worker, generation in (("w1", 1), ("w2", 0)):
        acknowledge(project, worker, generation)
    assert ("failed", said) == found(project, "acknowledgements")
    acknowledge(project, "w2", 1)
    assert ("passed", "all 2 living worker(s) serve generation 1: w1, w2") == found(project, "acknowledgements")
    acknowledge(project, "w2", 1, "no such file")
    said = "worker w2 cannot serve generation 1: no such file"
    assert ("failed", said) == found(project, "acknowledgements")


def test_a_champion_answers_everybody_once_workers_have_changed_over(project: Project) -> None:
    stores: Any = project.stores
    state, evidence = found(project, "shares")
    assert ("unknown", True) == (state, "answered 0 request(s)" in evidence)
    stores.moment += timedelta(hours=1)
    deploy(stores, project.spec, "2", **WHO, force=True)
    stores.moment += timedelta(seconds=2)
    answered(project, "1", [200])
    answered(project, "2", [200, 200])
    stores.moment += timedelta(seconds=2)
    state, evidence = found(project, "shares")
    assert ("passed", True) == (state, "answered 2 request(s) since 2026-03-01T13:00:00Z, other versions 1" in evidence)
    stores.moment += timedelta(minutes=5)
    answered(project, "1", [200])
    stores.moment += timedelta(seconds=2)
    state, evidence = found(project, "shares")
    assert ("failed", True) == (state, evidence.endswith("other versions 2, the last on 2026-03-01T13:05:04Z"))
    stop(stores, project.spec, **WHO)
    assert ("unknown", "the endpoint is stopped: nobody is answered") == found(project, "shares")


@pytest.mark.parametrize(("share", "state"), [(20, "passed"), (50, "failed"), (2, "failed")])
def test_a_challenger_answers_its_share_of_the_callers(project: Project, share: int, state: str) -> None:
    deploy(project.stores, project.spec, "2", **WHO, share=20)
    assert "unknown" == found(project, "shares")[0]
    traffic(project, share, RIGHT)
    assert [state, state] == [found(project, "shares", version)[0] for version in ("1", "2")]


def test_requests_of_one_caller_are_one_of_the_callers_of_a_share(project: Project) -> None:
    deploy(project.stores, project.spec, "2", **WHO, share=20)
    traffic(project, 100, RIGHT, user=lambda _: "one and the same")
    state, evidence = found(project, "shares", "2")
    assert ("unknown", True) == (state, "answered 1 of 1 callers" in evidence)


def test_the_first_answers_are_told_however_many_follow(project: Project) -> None:
    stores: Any = project.stores
    stores.moment += MINUTE
    deploy(stores, project.spec, "2", **WHO, force=True)
    assert "unknown" == found(project, "first answers")[0]
    answered(project, "2", [200] * 60)
    stores.moment += MINUTE
    answered(project, "2", [500])
    stores.moment += MINUTE
    said = "0 of the first 50 requests that version 2 answered failed"
    assert ("passed", said) == found(project, "first answers")
    deploy(stores, project.spec, "3", **WHO, force=True)
    answered(project, "3", [200, 503])
    stores.moment += 40 * timedelta(hours=1)
    said = "1 of the first 2 requests that version 3 answered failed"
    assert ("failed", said) == found(project, "first answers")


def test_crashes_since_the_version_answers_callers_are_told(project: Project) -> None:
    stores: Any = project.stores
    stores.crashes.record("cancer", "tumours", "2", "w1", Crash("crash", "signal 11", frozenset(), NOW))
    stores.moment += MINUTE
    deploy(stores, project.spec, "2", **WHO, force=True)
    said = "version 2 crashed or hung 0 time(s) since 2026-03-01T12:01:00Z"
    assert ("passed", said) == found(project, "crashes")
    stores.moment += MINUTE
    stores.crashes.record("cancer", "tumours", "2", "w1", Crash("crash", "signal 11", frozenset(), stores.moment))
    state, evidence = found(project, "crashes")
    assert ("failed", True) == (state, evidence.endswith("last on 2026-03-01T12:02:00Z: signal 11"))


def test_the_trial_is_judged_by_its_newest_verdict(project: Project) -> None:
    stores: Any = project.stores
    assert ("unknown", "no guard has judged version 2: it was not on trial") == found(project, "trial", "2")
    deploy(stores, project.spec, "2", **WHO, share=20)
    for verdict, state in (("inconclusive", "unknown"), ("pass", "passed"), ("fail", "failed")):
        stores.trials.record(Trial("cancer", 2, "2", 20, verdict, {"guard": "errors", "reason": "as seen"}, NOW))
        said = f"verdict '{verdict}' of 2026-03-01T12:00:00Z, at 20 % of the traffic: as seen"
        assert (state, said) == found(project, "trial", "2")


def test_a_guard_that_rolled_the_version_back_is_told_and_so_is_one_that_only_failed(project: Project) -> None:
    stores: Any = project.stores
    stores.moment += MINUTE
    deploy(stores, project.spec, "2", **WHO, share=20)
    acknowledge(project, "w1", 2)
    assert ("passed", "the guards watch it while it is on trial, and none has failed") == found(project, "guards")
    project.stores.deployments.leave("w1")
    assert "unknown" == found(project, "guards")[0]
    spec, project.spec = project.spec, replace(project.spec, guard=replace(project.spec.guard, automatic=False))
    traffic(project, 20, WRONG)
    advance_trial(stores, project.spec)
    state, evidence = found(project, "guards", "2")
    assert ("failed", True) == (state, "and nothing was rolled back: quality" in evidence)
    project.spec = spec
    advance_trial(stores, spec)
    state, evidence = found(project, "guards", "2")
    assert ("failed", True) == (state, evidence.startswith("the guard 'quality' rolled version 2 back on "))
    assert ("failed", "unknown") == (found(project, "trial", "2")[0], found(project, "shares", "2")[0])


def test_the_guards_watch_a_new_champion_for_a_while(project: Project) -> None:
    stores: Any = project.stores
    assert ("unknown", True) == (found(project, "guards")[0], "replaced no other" in found(project, "guards")[1])
    stores.moment += MINUTE
    deploy(stores, project.spec, "2", **WHO, force=True)
    until = "2026-03-01T12:31:00Z"
    state, evidence = found(project, "guards")
    assert ("unknown", True) == (state, f"until {until}, and no gateway worker lives" in evidence)
    acknowledge(project, "w1", 2)
    assert ("passed", f"the guards watch it until {until}, and none has failed") == found(project, "guards")
    stores.moment += timedelta(hours=1)
    assert ("passed", f"the guards watched it until {until}, and none has failed") == found(project, "guards")
    project.spec = replace(project.spec, guard=replace(project.spec.guard, automatic=False))
    assert found(project, "guards")[1].endswith("; 'guard.automatic' is off: a person has to roll back")


def test_a_shadow_answers_no_caller_and_is_judged_by_its_comparison(project: Project) -> None:
    stores: Any = project.stores
    assert ("unknown", "version 2 was never the shadow") == found(project, "shadow", "2")
    shadow(stores, project.spec, "2", **WHO)
    state, evidence = found(project, "shadow", "2")
    assert ("unknown", True) == (state, "shadow from 2026-03-01T12:00:00Z: 0 rows compared" in evidence)
    assert ("unknown", "version 2 is the shadow: it answers no caller") == found(project, "shares", "2")
    stores.moment += MINUTE
    traffic(project, 0, RIGHT, 400)
    _compare(project)
    state, evidence = found(project, "shadow", "2")
    assert ("passed", True) == (state, evidence.endswith("its loss is better"))
    end_shadow(stores, project.spec, **WHO)
    shadow(stores, project.spec, "3", **WHO)
    state, evidence = found(project, "shadow", "2")
    assert ("unknown", True) == (state, evidence.endswith("version 3 was the shadow since"))


def _compare(project: Project) -> None:
    """Write that the shadow answered every logged row by its label."""
    tables = [log_table(project.stores, project.spec), typed_for(LABELS, project.spec.task)]
    with project.stores.lake.query("cancer", tables) as connected:
        rows = connected.sql(
            "SELECT p.prediction_id, p.event_time, p.prediction, p.score, l.label, p.date FROM inference_log AS p"
            " JOIN labels AS l USING (prediction_id)"
        ).fetchall()
    made = [
        {
            "prediction_id": one, "event_time": at, "model_version": "2", "live_version": "1", "prediction": str(label),
            "score": 0.99 if str(label) == "1" else 0.01, "live_prediction": live, "live_score": score,
            "agrees": str(label) == live, "date": day,
        }
        for one, at, live, score, label, day in rows
    ]  # fmt: skip
    table = pa.Table.from_pylist(made, arrow_schema(SHADOW_LOG))
    project.stores.writer.append_once("cancer", SHADOW_LOG, table, "shadow 2", 1)


def test_the_version_of_a_rollback_has_to_be_loadable(project: Project) -> None:
    stores: Any = project.stores
    stores.moment += MINUTE
    deploy(stores, project.spec, "2", **WHO, force=True)
    state, evidence = found(project, "rollback version")
    assert ("unknown", True) == (state, evidence.startswith("version 1 was recorded without a hash of its files"))
    acknowledge(project, "w1", 2)
    settle(stores, project.spec)
    archive(stores, project.spec, "1", **WHO)
    state, evidence = found(project, "rollback version")
    assert ("failed", True) == (state, "no earlier champion to roll back to" in evidence)
    restore(stores, project.spec, "1", **WHO)
    version = stores.deployments.version("tumours", "1")
    assert version is not None
    stores.deployments.record_version(replace(version, files_hash="0" * 64))
    state, evidence = found(project, "rollback version")
    assert ("failed", True) == (state, "its files are gone: /nowhere" in evidence)
