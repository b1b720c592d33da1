"""Releases over HTTP: what a change would do is said first, and history, trials, shadows and tests are read."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.state.release.suite_runs import VersionTest
from modelops_pipelines.store.state.release.trials import Trial
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, cancer_frame, make_project, train_first

E = "/endpoints/cancer"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with three versions; version 2 replaced version 1, and the gate was forced."""
    project = make_project(tmp_path_factory.mktemp("releases") / "project")
    for rows in (569, 400, 300):
        train_first(project, cancer_frame().head(rows))
    for version in ("1", "2"):
        deploy(project.stores, project.spec, version, actor="ann", reason=f"reason {version}", force=True)
    return project


@pytest.fixture(scope="module")
def gateway(project: Project) -> Iterator[RunningGateway]:
    with running_gateway(project) as running:
        yield running


def post(gateway: RunningGateway, path: str, **body: Any) -> httpx.Response:
    return gateway.client.post(f"{E}/{path}", json=body, timeout=120)


DRY = {
    "a trial": (
        "deployments",
        {"version": "3", "share": 10},
        "would deploy 2 -> 3 (10 % of the traffic, generation 3)",
    ),
    "a forced deploy": (
        "deployments",
        {"version": "3", "force": True, "reason": "now"},
        "would deploy 2 -> 3 (100 % of the traffic, generation 3); forced past the gate: it was never evaluated",
    ),
    "what is live": ("deployments", {"version": "2"}, "would change nothing"),
    "a forced promotion": ("promote", {"version": "3", "force": True, "reason": "now"}, "would promote 2 -> 3 ("),
    "a rollback": (
        "rollback",
        {},
        "would rollback 2 -> 1 (100 % of the traffic, generation 3); version 1 was champion until",
    ),
    "a stop": ("stop", {}, "would stop 2 -> 2 (100 % of the traffic, generation 3)"),
    "a start": ("start", {}, "would change nothing"),
}


@pytest.mark.parametrize("case", DRY)
def test_a_dry_run_says_what_would_change_and_changes_nothing(
    project: Project, gateway: RunningGateway, case: str
) -> None:
    path, body, sentence = DRY[case]
    before = project.stores.deployments.desired("cancer"), project.stores.deployments.events("cancer")
    answer = post(gateway, path, **body, dry_run=True)
    assert 200 == answer.status_code, answer.text
    said = answer.json()
    assert said["sentence"].startswith(f"cancer: {sentence}")
    assert (True, "would change nothing" not in sentence, 0) == (said["dry_run"], said["changed"], said["workers"])
    assert before == (project.stores.deployments.desired("cancer"), project.stores.deployments.events("cancer"))
    assert [] == [one for one in project.stores.deployments.attempts(["cancer"]) if one.version == "3"]


def test_a_dry_run_is_refused_for_what_the_change_would_be_refused_for(gateway: RunningGateway) -> None:
    refused = post(gateway, "promote", version="3", dry_run=True)
    assert (409, "gate") == (refused.status_code, refused.json()["error"]["code"])
    assert 404 == post(gateway, "deployments", version="77", dry_run=True).status_code
    assert 422 == post(gateway, "rollback", dry_run="yes").status_code


def test_the_history_is_read_page_by_page_newest_first(project: Project, gateway: RunningGateway) -> None:
    page = gateway.client.get(f"{E}/events", params={"limit": 1}).json()
    [newest] = page["items"]
    assert ("deploy", "1", "2", "reason 2", "ann", "forced") == tuple(
        newest[name] for name in ("action", "from_version", "to_version", "reason", "actor", "gate")
    )
    event = project.stores.deployments.events("cancer")[-1]
    assert (event.hash, [["2", "champion", 100]]) == (newest["hash"], newest["evidence"]["live"]["variants"])
    rest = gateway.client.get(f"{E}/events", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    [oldest] = rest["items"]
    assert (None, "reason 1", newest["previous_hash"]) == (rest["next_cursor"], oldest["reason"], oldest["hash"])
    wrong = gateway.client.get(f"{E}/events", params={"cursor": "x"})
    assert (422, "'x' is not a cursor of this list") == (wrong.status_code, wrong.json()["error"]["message"])


def test_verdicts_on_trials_are_listed_newest_first(project: Project, gateway: RunningGateway) -> None:
    assert [] == gateway.client.get(f"{E}/trials").json()
    for minutes, verdict in enumerate(("continue", "fail")):
        numbers = {"reason": f"{verdict} for now", "excess": 0.5}
        trial = Trial("cancer", 3, "3", 10, verdict, numbers, NOW + timedelta(minutes=minutes))
        project.stores.trials.record(trial)
    found = gateway.client.get(f"{E}/trials").json()
    assert [("fail", "fail for now"), ("continue", "continue for now")] == [
        (one["verdict"], one["reason"]) for one in found
    ]
    assert ("2026-03-01T12:01:00Z", 0.5) == (found[0]["at"], found[0]["numbers"]["excess"])
    assert found[:1] == gateway.client.get(f"{E}/trials", params={"limit": 1}).json()


def test_test_runs_are_listed_newest_first_with_the_cases_that_failed(
    project: Project, gateway: RunningGateway
) -> None:
    failed = [{"case": "small", "expected": "1", "answered": "0 (score 0.2)"}]
    for run in range(12):
        version, suite = str(1 + run % 2), "smoke" if run < 11 else "edge"
        project.stores.version_tests.record(
            VersionTest("cancer", version, suite, "f" * 64, 3, 2, failed, 0.5, "ann", NOW + timedelta(minutes=run))
        )
    found = gateway.client.get(f"{E}/tests").json()
    assert (10, "edge", 1, failed) == (len(found), found[0]["suite"], found[0]["failed"], found[0]["failures"])
    assert [one["at"] for one in found] == sorted((one["at"] for one in found), reverse=True)
    asked = {"version": "2", "suite": "smoke", "limit": 2}
    assert [("2", "smoke")] * 2 == [
        (one["version"], one["suite"]) for one in gateway.client.get(f"{E}/tests", params=asked).json()
    ]


def test_a_version_is_archived_and_restored_once(project: Project, gateway: RunningGateway) -> None:
    about = {"endpoint": "cancer", "model_name": "tumours", "version": "1"}
    for route, archived in (("archive", True), ("restore", False)):
        for changed in (True, False):
            answer = post(gateway, f"versions/1/{route}", reason="old")
            assert (200, {**about, "archived": archived, "changed": changed}) == (answer.status_code, answer.json())
        assert (["1"] if archived else []) == sorted(project.stores.deployments.archived("tumours"))
        event = project.stores.deployments.events("cancer")[-1]
        assert (route, "anonymous", "old") == (event.action, event.actor, event.reason)
    live = post(gateway, "versions/2/archive")
    assert (409, "Version 2 is the champion") == (live.status_code, live.json()["error"]["message"][:25])
    assert 404 == post(gateway, "versions/77/archive").status_code
    assert 422 == post(gateway, "versions/x/archive").status_code


def test_a_shadow_is_started_looked_at_and_ended(project: Project, gateway: RunningGateway) -> None:
    never = gateway.client.get(f"{E}/shadow")
    assert (409, "Endpoint 'cancer' never had a shadow") == (never.status_code, never.json()["error"]["message"])
    assert f"POST {E}/shadow with" in never.json()["error"]["remedy"]
    live = post(gateway, "shadow", version="2")
    assert (409, "conflict") == (live.status_code, live.json()["error"]["code"])
    started = post(gateway, "shadow", version="3", share=50, reason="new data")
    assert (200, 50, True) == (started.status_code, started.json()["share"], started.json()["changed"])
    assert "3" == project.stores.deployments.desired("cancer").shadow
    shown = gateway.client.get(f"{E}/shadow").json()
    assert ("3", None, 0, None, "undecided") == tuple(
        shown[name] for name in ("version", "until", "compared", "agreement", "verdict")
    )
    assert post(gateway, "shadow/end", reason="enough").json()["changed"]
    again = post(gateway, "shadow/end").json()
    assert (False, "cancer: it has no shadow; nothing changed") == (again["changed"], again["sentence"])
    assert gateway.client.get(f"{E}/shadow").json()["until"] is not None


def test_an_ab_test_is_started_read_and_ended(project: Project, gateway: RunningGateway) -> None:
    assert [] == gateway.client.get(f"{E}/ab-tests").json()
    asked = {"version": "3", "name": "bolder", "share": 40, "error_rate": 0.01, "planned": 500, "reason": "try"}
    for changed in (True, False):
        started = post(gateway, "ab-tests", **asked)
        assert (200, changed) == (started.status_code, started.json()["changed"]), started.text
    assert ("2", "3") == tuple(v.version for v in project.stores.deployments.desired("cancer").variants)
    [about] = gateway.client.get(f"{E}/ab-tests").json()
    expected = {**asked, "champion": "2", "challenger": "3", "actor": "anonymous", "ended_at": None, "decision": None}
    assert {name: value for name, value in expected.items() if name != "version"}.items() <= about.items()
    shown = gateway.client.get(f"{E}/ab-tests/bolder").json()
    result = shown.pop("result")
    assert about == shown
    nothing = {"challenger": 0, "champion": 0}
    assert ("undecided", nothing, None) == (result["verdict"], result["labelled"], result["lower"])
    other = post(gateway, "ab-tests", **{**asked, "name": "other"})
    assert (409, "POST") == (other.status_code, other.json()["error"]["remedy"].partition(": ")[2][:4])
    early = post(gateway, "ab-tests/bolder/end", decision="promote")
    assert (409, "evidence") == (early.status_code, early.json()["error"]["code"])
    assert 404 == post(gateway, "ab-tests/nobody/end", decision="keep").status_code
    ended = post(gateway, "ab-tests/bolder/end", decision="keep", reason="no gain")
    assert (200, "rollback", "2") == (ended.status_code, ended.json()["action"], ended.json()["to_version"])
    assert "keep" == gateway.client.get(f"{E}/ab-tests", params={"limit": 1}).json()[0]["decision"]
    assert 409 == post(gateway, "ab-tests/bolder/end", decision="keep").status_code


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "../x"}, "name"),
        ({"name": ".."}, "name"),
        ({"share": 100}, "share"),
        ({"error_rate": 1}, "error_rate"),
        ({"planned": 0}, "planned"),
    ],
)
def test_terms_that_make_no_ab_test_are_refused_by_field(
    gateway: RunningGateway, wrong: dict[str, Any], field: str
) -> None:
    refused = post(gateway, "ab-tests", **{"version": "3", "name": "fine", **wrong})
    assert (422, field) == (refused.status_code, refused.json()["error"]["message"].partition(":")[0])
