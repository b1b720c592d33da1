"""The newest verdict on a version is the one recorded last, whatever the clock said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from modelops_pipelines.store.state.database import Database
from modelops_pipelines.store.state.improve.gates import Gate, Gates
from modelops_pipelines.store.state.migrations.run import upgrade

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSED = Gate("e", "2", "1", "rows", "settings", "pass", {"reason": "better"}, NOW)


def gates_in(folder: Path) -> Gates:
    return Gates(Database(f"sqlite:///{folder / 'state.db'}"))


def test_the_newest_verdict_is_the_one_recorded_last_though_a_clock_ran_ahead(tmp_path: Path) -> None:
    gates = gates_in(tmp_path)
    later = replace(PASSED, verdict="fail", data_hash="more rows", at=NOW - timedelta(hours=1))
    for gate in (PASSED, later, replace(PASSED, version="3"), replace(PASSED, endpoint="other")):
        gates.record(gate)
    assert later == gates.newest("e", "2")
    assert [PASSED, later] == [gate for gate in gates.of("e") if gate.version == "2"]
    assert gates.newest("e", "9") is None


def test_a_held_pass_says_so_to_who_decides() -> None:
    assert PASSED.as_verdict.held == ()
    held = replace(PASSED, numbers={"reason": "better", "held": ["it is too good"]}).as_verdict
    assert ("pass", "better", ("it is too good",)) == (held.verdict, held.reason, held.held)


def test_a_verdict_on_the_same_rows_replaces_the_earlier_one_and_is_the_newest(tmp_path: Path) -> None:
    gates = gates_in(tmp_path)
    for gate in (PASSED, replace(PASSED, data_hash="more rows"), replace(PASSED, verdict="fail", champion="4")):
        gates.record(gate)
    assert ["pass", "fail"] == [gate.verdict for gate in gates.of("e")]
    newest = gates.newest("e", "2")
    assert newest is not None
    assert ("fail", "4") == (newest.verdict, newest.champion)


def test_verdicts_of_an_older_release_keep_the_order_of_their_times(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    engine = sa.create_engine(url)
    upgrade(engine, "0004")
    names = "endpoint, version, champion, data_hash, gate_hash, verdict, numbers, at"
    with engine.begin() as connected:
        for data, at in (("b", 2), ("a", 1), ("c", 3)):
            row = f"'e', '2', '1', '{data}', 's', 'pass', '{{}}', {at}"
            connected.exec_driver_sql(f"INSERT INTO gates ({names}) VALUES ({row})")
    engine.dispose()
    gates = gates_in(tmp_path)
    assert ["a", "b", "c"] == [gate.data_hash for gate in gates.of("e")]
    gates.record(replace(PASSED, data_hash="d"))
    newest = gates.newest("e", "2")
    assert newest is not None
    assert "d" == newest.data_hash
