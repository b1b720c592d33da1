"""Before a deployment: what the checklist finds of the endpoint, its gateway, its home, and of who is told."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.capture.health import refusal_verdict
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.maintenance.growth import Reading
from modelops_pipelines.operations.alerting.delivery.watchers import DAGSTER, Watcher
from modelops_pipelines.operations.alerting.life.act_on_alerts import acknowledge, silence
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.endpoints.kept import keep, keep_refusal
from modelops_pipelines.operations.release.commands import delete, deploy, stop
from modelops_pipelines.operations.release.settle import settle
from modelops_pipelines.store.filesystem.process_identity import this_process
from tests.fakes.raised_alerts import given_up, raised
from tests.fakes.records import request_record, write_segment
from tests.support.checklists import found
from tests.support.project import Project
from tests.worlds.trials import MINUTE, NOW, WHO, on_trial

pytestmark = pytest.mark.usefixtures("untried_versions")
CHANNELS = "channels:\n  ops: {webhook: env:OPS_URL, secret: env:OPS_SECRET}\n"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project with version 1 live and versions 2 and 3 recorded, whose clock stands still."""
    with on_trial(tmp_path / "project") as made:
        yield made


def yaml_of(project: Project) -> Path:
    return project.folder / "endpoints" / "endpoint.yaml"


def tell(project: Project, routes: str) -> None:
    """Write who is told of alerts."""
    project.stores.settings.alerting_file.write_text(f"{CHANNELS}routes:\n{routes}")


def test_a_rollback_needs_a_version_to_return_to(project: Project) -> None:
    assert ("failed", "Endpoint 'cancer' has no earlier champion to roll back to") == found(project, "rollback")
    assert ("passed", "a rollback returns to version 1") == found(project, "rollback", "2")
    stores: Any = project.stores
    stores.moment += MINUTE
    deploy(project.stores, project.spec, "2", **WHO, share=20)
    assert ("passed", "a rollback returns to version 1") == found(project, "rollback")
    stores.moment += MINUTE
    deploy(project.stores, project.spec, "2", **WHO, force=True)
    assert ("passed", "a rollback returns to version 1") == found(project, "rollback")
    delete(project.stores, project.spec, **WHO)
    state, evidence = found(project, "rollback", "3")
    assert ("failed", True) == (state, "serves no version" in evidence)


def test_the_configuration_in_force_has_to_be_that_of_the_file(project: Project) -> None:
    assert ("passed", "the configuration in force is that of endpoint.yaml") == found(project, "configuration")
    keep(project.stores.settings, replace(project.spec, row_wise=False), yaml_of(project))
    keep_refusal(project.stores.settings, project.spec, "its classes differ")
    state, evidence = found(project, "configuration")
    assert ("failed", True) == (state, "its configuration was refused" in evidence)
    yaml_of(project).write_text(yaml_of(project).read_text().replace("window: hour", "window: fortnight"))
    state, evidence = found(project, "configuration")
    assert ("failed", True) == (state, "its YAML has faults" in evidence)
    yaml_of(project).unlink()
    assert ("failed", "no file declares the endpoint any more") == found(project, "configuration")


def test_an_endpoint_that_is_stopped_or_serves_nothing_is_told(project: Project) -> None:
    state, evidence = found(project, "endpoint")
    assert ("unknown", True) == (state, "no gateway worker has served it yet" in evidence)
    project.stores.deployments.heartbeat("w1", "http://w", NOW)
    project.stores.deployments.acknowledge("w1", "cancer", 1, None, NOW)
    assert ("passed", "the endpoint is active") == found(project, "endpoint")
    project.stores.deployments.acknowledge("w1", "cancer", 1, "out of memory", NOW)
    assert ("failed", "the endpoint is failed: worker w1 cannot serve it: out of memory") == found(project, "endpoint")
    project.stores.deployments.leave("w1")
    stop(project.stores, project.spec, **WHO)
    assert ("failed", "the endpoint is stopped") == found(project, "endpoint")
    delete(project.stores, project.spec, **WHO)
    assert ("passed", "the endpoint is deleted: a deploy makes it anew") == found(project, "endpoint")


def test_another_deployment_under_way_is_told_and_the_version_s_own_is_not(project: Project) -> None:
    assert ("passed", "no other deployment of the endpoint is under way") == found(project, "other deployments")
    said = "deploy of version 1 by ann, requested on 2026-03-01T12:00:00Z, is deploying"
    assert ("failed", said) == found(project, "other deployments", "2")
    project.stores.deployments.heartbeat("w1", "http://w", NOW)
    project.stores.deployments.acknowledge("w1", "cancer", 1, None, NOW)
    settle(project.stores, project.spec)
    assert "passed" == found(project, "other deployments", "2")[0]


def test_workers_have_to_live(project: Project) -> None:
    assert ("failed", "no gateway worker lives") == found(project, "gateway workers")
    for worker in ("w1", "w2"):
        project.stores.deployments.heartbeat(worker, "http://w", NOW, this_process())
    assert ("passed", "2 gateway worker(s) live: w1, w2") == found(project, "gateway workers")


def test_dagster_has_to_work(project: Project) -> None:
    stores: Any = project.stores
    state, evidence = found(project, "monitoring")
    assert ("failed", True) == (state, "has never worked here" in evidence)
    Watcher(DAGSTER).turn(stores, stores.now())
    assert ("passed", "Dagster's sensor 'alerts' worked on 2026-03-01T12:00:00Z") == found(project, "monitoring")
    stores.moment += timedelta(minutes=3)
    state, evidence = found(project, "monitoring")
    assert ("failed", True) == (state, "last worked on 2026-03-01T12:00:00Z" in evidence)


def test_capture_fails_with_what_waits_or_was_refused(project: Project) -> None:
    stores: Any = project.stores
    assert "passed" == found(project, "capture")[0]
    write_segment(stores, "cancer", "predictions", "w", [request_record("cancer", 1, NOW, 1)])
    [segment] = stores.settings.spool.rglob("*.jsonl")
    stores.moment = NOW + timedelta(days=40_000)  # whenever this runs, the segment has waited for long
    state, evidence = found(project, "capture")
    assert ("failed", True) == (state, "the oldest captured rows have waited" in evidence)
    segment.unlink()
    raise_alerts(stores, "cancer", [refusal_verdict("cancer", 3, "no space", stores.now())], source="refused")
    state, evidence = found(project, "capture")
    assert ("failed", True) == (state, "3 request(s) to 'cancer' were refused (503)" in evidence)


def test_a_disk_that_is_full_soon_fails(project: Project) -> None:
    stores: Any = project.stores
    assert (
        found(project, "disk")[1].endswith("no reading of the home yet.") or "How it grows" in found(project, "disk")[1]
    )
    for day, size in enumerate((1 << 30, 9 << 30)):
        stores.readings.record(Reading(NOW + timedelta(days=2 * day), {"lake": size}, disk_free=10 << 30))
    stores.moment = NOW + timedelta(days=2)
    state, evidence = found(project, "disk")
    assert ("failed", True) == (state, "full" in evidence)


def test_memory_is_told_with_what_the_version_takes(project: Project) -> None:
    state, evidence = found(project, "memory")
    assert (True, True) == (state in ("passed", "failed"), "are available on this machine" in evidence)


def test_there_have_to_be_alert_rules(project: Project) -> None:
    state, evidence = found(project, "alert rules")
    assert ("passed", True) == (state, evidence.startswith("6 alert rule(s) judge the endpoint: error_rate, "))
    project.spec = replace(project.spec, alerts=())
    assert ("failed", "no alert rule judges the endpoint") == found(project, "alert rules")
    tell(project, "  - channels: [ops]\n")
    assert ("failed", "no alert rule judges the endpoint, so nobody is told of anything") == found(project, "channels")


def test_somebody_has_to_be_told_of_the_alerts_of_every_rule(project: Project) -> None:
    state, evidence = found(project, "channels")
    assert ("failed", True) == (state, "has no channel" in evidence)
    tell(project, "  - channels: [ops]\n")
    state, evidence = found(project, "channels")
    assert ("passed", True) == (state, evidence.startswith("alerts of all 6 rule(s) are told to ops,"))
    tell(project, "  - match: {rule: 'error*'}\n    channels: [ops]\n")
    state, evidence = found(project, "channels")
    assert ("failed", True) == (state, "no route of alerting.yaml takes alerts of rule drift" in evidence)
    assert "rule error_rate" not in evidence
    tell(project, "  - channels: [nobody]\n")
    state, evidence = found(project, "channels")
    assert ("failed", True) == (state, "alerting.yaml has 1 fault(s)" in evidence)


def test_a_silence_and_a_channel_that_takes_no_messages_are_told(project: Project) -> None:
    stores: Any = project.stores
    tell(project, "  - channels: [ops]\n")
    silence(stores, {"rule": "drift"}, actor="ann", reason="known", until=NOW + timedelta(hours=1))
    state, evidence = found(project, "channels")
    assert ("failed", True) == (state, evidence.startswith("nobody is told of alerts of rule drift: silence 1 "))
    stores.moment += timedelta(hours=2)
    assert "passed" == found(project, "channels")[0]
    given_up(stores, raised(stores), "message 1")
    state, evidence = found(project, "channels")
    assert ("failed", True) == (state, "channel ops: its last message was given up: 500 from the receiver" in evidence)


def test_an_open_alert_from_before_is_told(project: Project) -> None:
    stores: Any = project.stores
    assert "passed" == found(project, "open alerts", "2")[0]
    warning = Verdict("drift", "drift", "warning", False, 0.3, 0.1, 100, "2026-03-01T12:00:00Z", "it drifted")
    raise_alerts(stores, "cancer", [warning], source="drifted")
    state, evidence = found(project, "open alerts", "2")
    assert ("passed", True) == (state, "1 of severity warning: drift" in evidence)
    alert = raised(stores)
    state, evidence = found(project, "open alerts", "2")
    assert ("failed", True) == (state, "error_rate (open since 2026-03-01T12:00:00Z)" in evidence)
    acknowledge(stores, alert.id or 0, "ann", None)
    assert "error_rate (acknowledged since" in found(project, "open alerts", "2")[1]
    stores.moment += MINUTE
    deploy(stores, project.spec, "2", **WHO, force=True)
    assert "failed" == found(project, "open alerts")[0]
    assert "passed" == found(project, "new alerts")[0]


def test_an_endpoint_that_is_served_elsewhere_has_no_deployment_to_check(project: Project) -> None:
    project.spec = replace(project.spec, served="elsewhere")
    with pytest.raises(ConflictError):
        found(project, "version", "1")
