"""What is live and what happened: no lost update, no event that could be changed unnoticed."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.release.desired_state import DesiredState, Variant, variants_of
from modelops_pipelines.core.release.event_log import Event, broken_link
from modelops_pipelines.store.filesystem.process_identity import this_process
from modelops_pipelines.store.state.database import Database
from modelops_pipelines.store.state.release import worker_liveness
from modelops_pipelines.store.state.release.deployments import (
    Deployments,
    StaleStateError,
    required_version,
)
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.state.release.worker_liveness import ALIVE

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
VERSION = ModelVersion("m", "1", "/files", {"x": "float", "a": "text"}, None, "abc", None, NOW)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'state.db'}")


@pytest.fixture
def deployments(database: Database) -> Deployments:
    return Deployments(database)


def change(deployments: Deployments, endpoint: str, version: str, before: DesiredState | None = None) -> DesiredState:
    known = before or deployments.desired(endpoint)
    evidence = {
        "share": 100,
        "forced": True,
        "loss": 0.1234567890123456789,
        "name": "Zoë",
        "list": [1, None, {"b": 2, "a": 1}],
    }
    number = known.generation + 1
    event = Event(0, endpoint, NOW, "me", "deploy", known.champion, version, number, "because", evidence)
    return deployments.change(known, variants_of(version), event)


@pytest.fixture
def history(deployments: Deployments) -> Deployments:
    for endpoint, version in (("a", "1"), ("b", "1"), ("a", "2"), ("a", "3")):
        change(deployments, endpoint, version)
    return deployments


def test_the_chain_of_events_holds_as_it_was_written(history: Deployments) -> None:
    sealed = history.sealed_events()
    assert broken_link(sealed) is None
    assert [1, 2, 3, 4] == [event.number for event, _ in sealed]
    assert ["1", "2", "3"] == [event.to_version for event in history.events("a")]
    assert [None, "1", "2"] == [event.from_version for event in history.events("a")]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("endpoint", "c"),
        ("at", 1),
        ("actor", "somebody else"),
        ("action", "promote"),
        ("from_version", "7"),
        ("to_version", "7"),
        ("generation", 7),
        ("reason", "another"),
        ("evidence", '{"share": 99}'),
        ("previous_hash", "f" * 64),
        ("hash", "f" * 64),
        ("number", 99),
    ],
)
def test_a_change_of_any_field_of_an_event_is_found(
    history: Deployments, database: Database, column: str, value: Any
) -> None:
    with database.begin() as connected:
        connected.execute(sa.text(f"UPDATE events SET {column} = :value WHERE number = 2"), {"value": value})
    assert broken_link(history.sealed_events()) == 2


def test_an_event_taken_out_or_resealed_breaks_the_link_of_the_next(history: Deployments, database: Database) -> None:
    sealed = history.sealed_events()
    assert broken_link(sealed[:1] + sealed[2:]) == 2
    forged = replace(sealed[1][0], actor="somebody else")
    assert broken_link([sealed[0], (forged, forged.hash), *sealed[2:]]) == 3
    assert broken_link([]) is None


def test_of_two_who_decided_on_the_same_state_one_is_refused_and_leaves_no_event(deployments: Deployments) -> None:
    before = deployments.desired("a")
    change(deployments, "a", "1", before)
    with pytest.raises(StaleStateError):
        change(deployments, "a", "2", before)
    assert ["1"] == [event.to_version for event in deployments.events()]
    assert DesiredState("a", 1, variants_of("1")) == deployments.desired("a")


def test_many_who_change_at_once_leave_a_whole_chain_and_one_generation_each(deployments: Deployments) -> None:
    def work(name: str) -> None:
        done = 0
        while done < 5:
            try:
                change(deployments, "a", name)
                done += 1
            except StaleStateError:
                continue

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broken_link(deployments.sealed_events()) is None
    assert list(range(1, 21)) == [event.generation for event in deployments.events("a")]
    assert deployments.desired("a").generation == 20


def test_what_was_never_served_is_generation_0_and_all_states_are_listed_by_name(history: Deployments) -> None:
    assert DesiredState("z") == history.desired("z")
    assert [("a", 3), ("b", 1)] == [(state.endpoint, state.generation) for state in history.all_desired()]
    assert (Variant("3", "champion", 100),) == history.desired("a").variants


def test_a_version_is_kept_whole_with_the_order_of_its_inputs_and_replaced_when_written_again(
    deployments: Deployments,
) -> None:
    deployments.record_version(VERSION)
    found = deployments.version("m", "1")
    assert VERSION == found
    assert found is not None
    assert ["x", "a"] == list(found.inputs)
    deployments.record_version(replace(VERSION, artifact_uri="/elsewhere"))
    assert ["/elsewhere"] == [version.artifact_uri for version in deployments.versions("m")]


def test_a_version_that_does_not_exist_is_told_with_those_that_do(deployments: Deployments) -> None:
    deployments.record_version(VERSION)
    with pytest.raises(UnknownError, match=r"no version '9' \(known here: 1\)"):
        required_version(deployments, "m", "9")


def test_only_live_workers_count_and_one_that_said_nothing_is_at_generation_0(deployments: Deployments) -> None:
    deployments.heartbeat("dead", "http://d", NOW - ALIVE - timedelta(milliseconds=1))
    deployments.heartbeat("silent", "http://s", NOW - ALIVE)
    deployments.heartbeat("good", "http://g", NOW)
    for generation, error in ((1, None), (2, "cannot load")):
        deployments.acknowledge("good", "a", generation, error, NOW)
    said = {one.worker: (one.generation, one.error) for one in deployments.acknowledgements("a", NOW)}
    assert {"silent": (0, None), "good": (2, "cannot load")} == said
    assert {0} == {one.generation for one in deployments.acknowledgements("b", NOW)}
    deployments.leave("good")
    assert ["silent"] == [one.worker for one in deployments.acknowledgements("a", NOW)]


@pytest.mark.parametrize("skew", [-HOUR, -10 * SECOND, 10 * SECOND, HOUR], ids=str)
def test_a_worker_of_this_host_lives_as_long_as_its_process_whatever_the_clocks_say(
    deployments: Deployments, skew: timedelta
) -> None:
    process = this_process().rpartition(":")[0] + ":1"  # one that had this id before
    deployments.heartbeat("lives", "http://l", NOW, this_process())
    deployments.heartbeat("ended", "http://e", NOW, process)
    assert ["lives"] == [one.worker for one in deployments.acknowledgements("a", NOW + skew)]
    deployments.acknowledge("ended", "a", 3, None, NOW)
    deployments.forget_ended()
    assert {} == deployments.acknowledged("ended")
    assert ["lives"] == [one.worker for one in deployments.acknowledgements("a", NOW)]


@pytest.mark.parametrize(("skew", "lives"), [(-30 * SECOND, True), (30 * SECOND, True), (HOUR, False)], ids=str)
def test_the_clock_of_another_host_may_differ_somewhat(
    deployments: Deployments, skew: timedelta, *, lives: bool
) -> None:
    deployments.heartbeat("elsewhere", "http://e", NOW, "another-host:1:1")
    assert lives == bool(deployments.acknowledgements("a", NOW + skew))


def test_a_worker_whose_heart_stands_still_does_not_count(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = [0.0]
    monkeypatch.setattr(worker_liveness.time, "monotonic", lambda: passed[0])
    deployments.heartbeat("stuck", "http://s", NOW, this_process())
    found = []
    for passed[0] in (0.0, 4.9, 5.1):
        found.append(bool(deployments.acknowledgements("a", NOW)))
    deployments.heartbeat("stuck", "http://s", NOW + SECOND, this_process())
    assert [True, True, False, True] == [*found, bool(deployments.acknowledgements("a", NOW))]
