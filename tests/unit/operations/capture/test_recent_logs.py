"""Recent logs against a naive recount: every filter, the order, the bounds, and where rows are on their way."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from modelops_pipelines.core.capture.log_search import LogSearch
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.ids import new_request_id
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import INFERENCE_LOG
from modelops_pipelines.core.timestamps import from_micros, to_micros
from modelops_pipelines.operations.capture import pending_rows as waiting
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.capture.recent_logs import RecentLogs, recent_logs
from modelops_pipelines.store.lake.eraser import LakeEraser
from modelops_pipelines.store.spool.segments import SegmentWriter, encode
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import request_record
from tests.support.project import Project, make_project

FEATURES = {"size": "float", "colour": "text", "seen": "timestamp"}
SEEN = datetime(2026, 1, 31, 12, tzinfo=UTC)
USERS = ["ann", "bob", "SÃ£o", None]
KEYS = ["key1", "key2", None]
NEW_COLUMNS = {"key_id", "sampled", "truncated", "payload_hash", "request_params", "cache_hit"}
Record = dict[str, Any]


@dataclass
class World:
    """A project whose log has rows of forty days, in the lake and in the spool, and all of its records."""

    project: Project
    records: list[Record]
    waiting: int

    def ask(self, *asked: Any, **more: Any) -> RecentLogs:
        return recent_logs(self.project.stores, self.project.spec, LogSearch(*asked, **more))


def record(moment: datetime, draw: random.Random, rows: int = 1) -> Record:
    status = draw.choice([200, 200, 200, 422, 500])
    rows = rows if status == 200 else 1
    features = {"size": [draw.random()] * rows, "colour": ["red"] * rows, "seen": [to_micros(SEEN)] * rows}
    more: Record = {"user": draw.choice(USERS), "status": status, "f": features}
    more |= {"source": draw.choice(["live", "test"]), "key": draw.choice(KEYS)}
    if status != 200:
        more |= {"error": "input", "p": None, "s": None, "f": {}}
    return request_record("cancer", draw.getrandbits(50), moment, rows, **more)


def write(project: Project, worker: str, records: Sequence[Record], *, seal: bool = True) -> SegmentWriter:
    writer = SegmentWriter(project.stores.settings.spool, "cancer", "predictions", worker)
    writer.append(b"".join(map(encode, records)), 0.0)
    if seal:
        writer.seal()
    return writer


def empty(folder: Path) -> Project:
    project = make_project(folder)
    version = ModelVersion("tumours", "1", "nowhere", dict(FEATURES), None, None, None, SEEN)
    project.stores.deployments.record_version(version)
    return project


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    project = empty(tmp_path_factory.mktemp("logs") / "project")
    draw, now = random.Random(7), datetime.now(UTC)
    records: list[Record] = []
    for number in range(12):
        reach = timedelta(days=40) if number % 3 == 0 else timedelta(hours=30)
        moments = [now - draw.random() * reach for _ in range(15)]
        made = [record(moment, draw, rows=draw.choice([1, 1, 3])) for moment in sorted(moments)]
        records += made
        write(project, f"w{number}", made)
        ingest(project.stores, project.spec, "predictions")
    tied = [record(now - timedelta(hours=2), draw, rows=2) for _ in range(8)]
    for half in (tied[:4], tied[4:]):
        write(project, f"tied-{half[0]['id'][-4:]}", half)
        ingest(project.stores, project.spec, "predictions")
    waits = [record(now - timedelta(seconds=60 - second), draw, rows=2) for second in range(30)]
    for number in range(3):
        write(project, f"waiting{number}", waits[10 * number : 10 * number + 10], seal=number < 2)
    return World(project, [*records, *tied, *waits], len(waits))


def naive(records: Sequence[Record], since: timedelta, status: str | None, user: str | None) -> list[str]:
    """Return the prediction ids that are to be shown, in order."""
    now = datetime.now(UTC)
    wanted = [
        record
        for record in records
        if record["t"] >= to_micros(now - since)
        and (status is None or (status == "error") == (record["status"] >= 400))
        and (user is None or record["user"] == user)
    ]
    ordered = sorted(sorted(wanted, key=lambda one: one["id"]), key=lambda one: one["t"], reverse=True)
    return [f"{one['id']}-{row}" for one in ordered for row in range(one["n"])]


@pytest.mark.parametrize(
    ("limit", "since", "status", "user"),
    list(product([1, 7, 100, 1000], ["3h", "24h", "30d"], [None, "ok", "error"], [None, "ann", "nobody"])),
)
def test_what_is_shown_is_what_a_naive_recount_finds(
    world: World, limit: int, since: str, status: str | None, user: str | None
) -> None:
    length = {"3h": timedelta(hours=3), "24h": timedelta(hours=24), "30d": timedelta(days=30)}[since]
    found = world.ask(limit, since, status, user)
    assert naive(world.records, length, status, user)[:limit] == [row["prediction_id"] for row in found.rows]
    assert found.complete


@pytest.mark.parametrize(
    ("limit", "since", "status", "user", "key"),
    list(product([1, 7, 1000], ["3h", "30d"], [None, "error"], [None, "ann"], [*KEYS, "key3"])),
)
def test_test_calls_of_a_key_are_what_a_naive_recount_finds(
    world: World, limit: int, since: str, status: str | None, user: str | None, key: str | None
) -> None:
    length = {"3h": timedelta(hours=3), "30d": timedelta(days=30)}[since]
    mine = [{**one, "n": 1} for one in world.records if (one["source"], one["key"]) == ("test", key)]
    found = world.ask(limit, since, status, user, tests=True, key_id=key)
    assert naive(mine, length, status, user)[:limit] == [row["prediction_id"] for row in found.rows]


def test_a_test_call_is_found_by_its_id_with_its_own_key_alone(world: World) -> None:
    one = next(one for one in world.records if (one["source"], one["key"]) == ("test", "key1"))
    for key in (*KEYS, "key3"):
        found = world.ask(request_id=one["id"], tests=True, key_id=key).rows
        assert ([f"{one['id']}-0"] if key == "key1" else []) == [row["prediction_id"] for row in found]


def test_a_request_is_found_by_its_id_however_old_it_is_and_by_a_prediction_s_id(world: World) -> None:
    oldest = min(world.records, key=lambda one: one["t"])
    expected = [f"{oldest['id']}-{row}" for row in range(oldest["n"])]
    for given in (oldest["id"], expected[-1]):
        assert expected == [row["prediction_id"] for row in world.ask(since="1m", request_id=given).rows]
    stranger = new_request_id("cancer", SEEN, 1, b"1234567", b"other").text
    assert world.ask(request_id=stranger).rows == []


def test_a_row_says_all_that_the_log_holds_with_its_features(world: World) -> None:
    rows = world.ask(1000, "30d", "ok").rows
    for shown in (rows[0], rows[-1]):  # from the spool, and from the lake
        expected = next(one for one in world.records if one["id"] == shown["request_id"])
        assert shown["features"] == {"size": expected["f"]["size"][0], "colour": "red", "seen": SEEN}
        assert (shown["status"], shown["prediction"], shown["score"]) == (200, "1", 0.9)
        assert shown["latency_ms"] == 1.5
        assert shown["event_time"].utcoffset() == timedelta(0)
        assert shown.keys() == {*INFERENCE_LOG.names, "features"} - {"worker", "segment", "date"}
    assert all(row["features"] is None for row in world.ask(1000, "30d", "error").rows)


def test_a_user_s_id_in_a_header_s_bytes_is_found_as_it_was_written(world: World) -> None:
    assert world.ask(user="São").rows == world.ask(user="SÃ£o").rows != []


def test_it_says_how_far_the_lake_reaches(world: World) -> None:
    newest = from_micros(max(one["at"] for one in world.records[: -world.waiting]))
    told = world.ask().ingested_up_to
    assert told is not None
    assert abs(told - newest) <= timedelta(milliseconds=1)  # Delta's statistics know no less


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (LogSearch(limit=0), "The limit 0 is not from 1 to 1000"),
        (LogSearch(limit=1001), "The limit 1001 is not from 1 to 1000"),
        (LogSearch(since="31d"), "'31d' is not a duration of at most 30d"),
        (LogSearch(since="721h"), "'721h' is not a duration of at most 30d"),
        (LogSearch(since="0s"), "'0s' is not a duration of at most 30d"),
        (LogSearch(since="soon"), "'soon' is not a duration of at most 30d"),
        (LogSearch(since=""), "'' is not a duration of at most 30d"),
        (LogSearch(status="bad"), "There is no status 'bad'"),
        (LogSearch(request_id="nobody"), "'nobody' is not a request id"),
        (LogSearch(request_id="a" * 39 + "!"), f"'{'a' * 39}!' is not a request id"),
        (LogSearch(request_id="m" * 40), f"'{'m' * 40}' is not a request id"),
    ],
)
def test_what_cannot_be_asked_is_refused(world: World, asked: LogSearch, message: str) -> None:
    with pytest.raises(InputError) as caught:
        recent_logs(world.project.stores, world.project.spec, asked)
    assert message == caught.value.message


def test_an_endpoint_without_a_log_shows_nothing(tmp_path: Path) -> None:
    project = empty(tmp_path / "project")
    found = recent_logs(project.stores, project.spec, LogSearch())
    assert (found.rows, found.ingested_up_to, found.complete) == ([], None, True)


# Rows on their way


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return empty(tmp_path / "project")


def shown(project: Project, **asked: Any) -> list[str]:
    return [row["request_id"] for row in recent_logs(project.stores, project.spec, LogSearch(**asked)).rows]


def some(count: int = 5, ago: timedelta = timedelta(minutes=1)) -> list[Record]:
    draw, now = random.Random(count), datetime.now(UTC)
    return [record(now - ago + timedelta(milliseconds=number), draw) for number in range(count)]


def test_a_row_is_shown_once_before_and_after_and_while_it_is_ingested(project: Project) -> None:
    records = some()
    expected = [one["id"] for one in reversed(records)]
    writer = write(project, "w", records, seal=False)
    assert expected == shown(project)
    writer.seal()
    assert expected == shown(project)
    [segment] = project.stores.settings.spool.glob("cancer/predictions/w/*.jsonl")
    content = segment.read_bytes()
    ingest(project.stores, project.spec, "predictions")
    assert expected == shown(project)
    segment.parent.mkdir(exist_ok=True)
    segment.write_bytes(content)  # as after the commit, before the segment is dropped
    assert expected == shown(project)


def test_damaged_lines_and_half_a_line_are_left_out(project: Project) -> None:
    records = some()
    write(project, "w", records)
    [segment] = project.stores.settings.spool.glob("cancer/predictions/w/*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + lines[1].replace(b'"n":1', b'"n":2') + b"".join(lines[2:]) + lines[0][:50])
    assert [one["id"] for one in reversed(records) if one is not records[1]] == shown(project)


def test_when_too_much_waits_it_says_so_and_shows_the_newest(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    records = some(50)
    write(project, "w", records)
    monkeypatch.setattr(waiting, "MOST_BYTES", 5000)
    found = recent_logs(project.stores, project.spec, LogSearch())
    assert not found.complete
    newest = [one["id"] for one in reversed(records)]
    assert 0 < len(found.rows) < 50
    assert newest[: len(found.rows)] == [row["request_id"] for row in found.rows]


def test_what_is_long_past_costs_no_reading_of_the_spool(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, "w", some(200, timedelta(hours=1)))
    write(project, "v", some(20))
    monkeypatch.setattr(waiting, "MOST_BYTES", 20_000)
    assert recent_logs(project.stores, project.spec, LogSearch(limit=10)).complete
    assert recent_logs(project.stores, project.spec, LogSearch(since="10m")).complete


def test_a_replayed_row_is_found_however_late_it_came(tmp_path: Path) -> None:
    project = empty(tmp_path / "project")
    now = datetime.now(UTC)
    early = record(now + timedelta(minutes=3), random.Random(1))
    early["at"] = to_micros(now)
    write(project, "w", [early, *some(50)])
    assert project.spec.allow_replay
    assert shown(project, limit=3)[0] == early["id"]


def test_rows_of_an_older_release_have_null_in_the_newer_columns(project: Project) -> None:
    names = [name for name in INFERENCE_LOG.names if name not in NEW_COLUMNS]
    old = Table("inference_log", "", tuple(c for c in INFERENCE_LOG.columns if c.name in names), ("prediction_id",))
    moment = datetime.now(UTC) - timedelta(hours=1)
    row = {"prediction_id": "a-0", "request_id": "a", "row_index": 0, "event_time": moment, "received_at": moment}
    row |= {"status": 200, "latency_ms": 1.0, "source": "live", "date": moment.date()}
    project.stores.writer.append_once("cancer", old, pa.Table.from_pylist([row]), "w", 1)
    [found] = recent_logs(project.stores, project.spec, LogSearch()).rows
    assert {name: found[name] for name in NEW_COLUMNS} == dict.fromkeys(NEW_COLUMNS)
    assert found["features"] == dict.fromkeys(FEATURES)
    assert [] == recent_logs(project.stores, project.spec, LogSearch(tests=True)).rows
    write(project, "v", some())
    ingest(project.stores, project.spec, "predictions")
    assert shown(project)[-1] == "a"


def test_files_that_are_rewritten_or_removed_are_noticed(project: Project) -> None:
    for number in range(3):
        write(project, f"w{number}", some(ago=timedelta(minutes=9 - number)))
        ingest(project.stores, project.spec, "predictions")
    stores = Stores(project.stores.settings)
    expected = [row["prediction_id"] for row in recent_logs(stores, project.spec, LogSearch()).rows]
    delta = DeltaTable(str(stores.lake.path("cancer", "inference_log")))
    delta.optimize.compact()
    delta.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert expected == [row["prediction_id"] for row in recent_logs(stores, project.spec, LogSearch()).rows]
    LakeEraser(stores.settings.lake).purge("cancer", "inference_log")
    write(project, "later", some())
    ingest(project.stores, project.spec, "predictions")
    assert len(recent_logs(stores, project.spec, LogSearch()).rows) == len(expected) + 5


def test_many_who_ask_while_rows_are_ingested_all_see_every_row(project: Project) -> None:
    stores, known = Stores(project.stores.settings), some(12)
    write(project, "first", known)
    with ThreadPoolExecutor(4) as threads:
        for number in range(5):
            asked = [threads.submit(recent_logs, stores, project.spec, LogSearch(since="1h")) for _ in range(8)]
            ingest(project.stores, project.spec, "predictions")
            for one in asked:
                assert {record["id"] for record in known} <= {row["request_id"] for row in one.result().rows}
            more = some(12, timedelta(minutes=number + 2))
            write(project, f"w{number}", more)
            known += more
