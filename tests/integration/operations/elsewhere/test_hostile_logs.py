"""Hostile logs: each bad row is refused by its number with its cause, nothing else is lost, and nothing is executed."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelops_pipelines.core.capture.elsewhere.mapping import LogMapping
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.operations.capture.elsewhere.formats import MAPPING as OF_LAYOUTS
from modelops_pipelines.operations.capture.elsewhere.mapping_file import read_mapping
from modelops_pipelines.operations.capture.elsewhere.sources import SourceOptions
from tests.fakes.foreign_logs import YAML, imported, stored, write_lines
from tests.support.project import Project, make_project

MAPPING = LogMapping(id=("id",), time="at", version="model", prediction="said", score="chance", types={"x": "float"})
HEADER = b"id,at,model,said,chance,x\n"
GOOD = b"%s,2026-01-01T00:00:00Z,v1,ok,0.5,1\n"
WRONG = {
    b",2026-01-01,v1,ok,0.5,1": "it has no id",
    b"a,,v1,ok,0.5,1": "it has no time",
    b"b,1899-01-01,v1,ok,0.5,1": "the time is before 1970",
    b"c,9999-12-31,v1,ok,0.5,1": "the time is after 2261",
    b"d,2200-01-01,v1,ok,0.5,1": "the time is in the future",
    b"e,soon,v1,ok,0.5,1": "the time is not a time",
    b"f,2026-01-01,v1,=cmd|' /C calc'!A0,0.5,1": "the prediction is none",
    b"g,2026-01-01,v1,ok,1.5,1": "the score is not between 0 and 1",
    b"h,2026-01-01,v1,ok,inf,1": "the score is not between 0 and 1",
    b"i,2026-01-01,v1,ok,0.5,1e": "x (a float) is not a number",
    b"\xff\xfe,2026-01-01,v1,ok,0.5,1": "the id is not UTF-8 text",
    b"k,2026-01-01,v1,,,1": "it has no prediction",
    b"l,2026-01-01," + b"v" * 101 + b",ok,0.5,1": "the version is longer than 100",
    b"m" * 201 + b",2026-01-01,v1,ok,0.5,1": "the id is longer than 200",
    b"n,2026-01-01": "it has 2 values for 6 columns",
    b"o,2026-01-01,v1,ok,0.5,1,7": "it has 7 values for 6 columns",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", YAML)


def kept(project: Project) -> set[str]:
    return {row["client_request_id"] for row in stored(project)}


def test_each_bad_row_of_a_csv_is_refused_by_its_number_and_no_other_is_lost(project: Project, tmp_path: Path) -> None:
    lines = [line for number, bad in enumerate(WRONG) for line in (GOOD % f"good{number}".encode(), bad + b"\n")]
    (tmp_path / "log.csv").write_bytes(HEADER + b"".join(lines))
    done = imported(project, tmp_path / "log.csv", mapping=MAPPING)
    assert (32, 16, 16, ()) == (done.read, done.predictions, done.refused, done.faults)
    assert {f"good{number}" for number in range(16)} == kept(project)
    listed = [json.loads(line) for line in Path(str(done.refused_file)).read_text().splitlines()]
    told = {one["row"]: one["reason"] for one in listed}
    assert [2 * number + 2 for number in range(16)] == sorted(told)
    for number, reason in enumerate(WRONG.values()):
        assert reason in told[2 * number + 2]


def test_formulas_quotes_and_line_ends_in_fields_are_plain_text(project: Project, tmp_path: Path) -> None:
    content = b'id,at,said,note\n"=1+1",2026-01-01,ok,"=HYPERLINK(""http://x"")\nsecond line"\n'
    (tmp_path / "log.csv").write_bytes(content)
    mapping = LogMapping(id=("id",), time="at", prediction="said")
    assert 1 == imported(project, tmp_path / "log.csv", mapping=mapping).predictions
    (row,) = stored(project)
    assert ("=1+1", '=HYPERLINK("http://x")\nsecond line') == (row["client_request_id"], row["note"])


def test_a_version_of_any_text_names_no_file_outside_the_references(project: Project, tmp_path: Path) -> None:
    names = ["../../../../escape", "a/b", "..", "%2e%2e", "x" * 100, "ä\u202e"]
    rows = [{"id": str(n), "at": "2026-01-01", "said": "ok", "model": name} for n, name in enumerate(names)]
    mapping = LogMapping(id=("id",), time="at", prediction="said", version="model")
    assert len(names) == imported(project, write_lines(tmp_path / "log.jsonl", rows), mapping=mapping).predictions
    folder = project.stores.settings.home / "references" / project.spec.model_name
    for name in names:
        for path in project.stores.references._paths(project.spec.model_name, name).values():
            assert path.resolve().parent.name == folder.name, name
            assert len(path.name.encode()) < 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no header"),
        (b"\xff\xfei\0d\0", "UTF-16 or binary"),
        (b"id,id\n1,2\n", "two columns"),
        (HEADER + b"a,2026-01-01,v1,ok,0.5," + b"9" * (20 * 1024 * 1024) + b"\n", "cannot be read to its end"),
    ],
    ids=["empty", "utf-16", "repeated", "endless"],
)
def test_a_file_that_cannot_be_read_is_told_and_stops_no_other(
    project: Project, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    (tmp_path / "good.csv").write_bytes(HEADER + GOOD % b"a")
    done = imported(project, tmp_path / "bad.csv", tmp_path / "good.csv", mapping=MAPPING)
    assert ({"a"}, 1) == (kept(project), len(done.faults))
    assert said in done.faults[0]


def test_json_of_any_depth_and_size_is_refused_by_its_line(project: Project, tmp_path: Path) -> None:
    good = {"id": "a", "at": "2026-01-01", "said": "ok", "chance": 0.5, "model": "v", "x": 1}
    lines = [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"id": ' * 5000,
        b'{"id": "x"',
        b"\xff",
        b"[1]",
        b'{"id": "b", "at": "2026-01-01", "said": "ok", "chance": 0.5, "model": "v", "x": [[1]]}',
        b'{"id": "c", "at": "2026-01-01", "said": {"a": 1}, "chance": 0.5, "model": "v", "x": 1}',
        b'{"id": ["d"], "at": "2026-01-01", "said": "ok", "chance": 0.5, "model": "v", "x": 1}',
        b'"' + b"y" * (17 * 1024 * 1024) + b'"',
        json.dumps(good).encode(),
    ]
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    done = imported(project, tmp_path / "log.jsonl", mapping=MAPPING)
    assert (1, 9, ()) == (done.predictions, done.refused, done.faults)
    assert {"a"} == kept(project)


def test_a_packed_file_is_read_as_far_as_it_is_whole(project: Project, tmp_path: Path) -> None:
    lines = [{"id": f"{n}", "at": "2026-01-01", "said": "ok", "chance": 0.5, "model": "v", "x": n} for n in range(9)]
    whole = gzip.compress(write_lines(tmp_path / "log.jsonl", [*lines[:4], [], *lines[4:]]).read_bytes())
    (tmp_path / "log.jsonl.gz").write_bytes(whole)
    done = imported(project, tmp_path / "log.jsonl.gz", mapping=MAPPING)
    assert (9, ("log.jsonl.gz, row 5: it is no JSON object",), ()) == (done.predictions, done.refusals, done.faults)
    (tmp_path / "cut.ndjson.gz").write_bytes(whole[:-12])
    (tmp_path / "not.csv.gz").write_bytes(b"id,at\n")
    done = imported(project, tmp_path / "cut.ndjson.gz", tmp_path / "not.csv.gz", mapping=MAPPING)
    assert ["cut.ndjson.gz", "not.csv.gz"] == [fault.partition(":")[0] for fault in done.faults]
    assert "cannot be read to its end (EOFError)" in done.faults[0]
    assert "cannot be read to its end (BadGzipFile)" in done.faults[1]
    (tmp_path / "log.parquet.gz").write_bytes(whole)
    with pytest.raises(InputError, match="none of the sources"):
        imported(project, tmp_path / "log.parquet.gz", mapping=MAPPING)


def test_bodies_of_any_content_are_refused_by_their_record(project: Project, tmp_path: Path) -> None:
    deep = "[" * 5000 + "]" * 5000
    event = {"eventId": "e", "inferenceTime": "2026-01-01T00:00:00Z"}
    part = {"observedContentType": "application/json", "encoding": "JSON"}
    bodies: list[Any] = [deep, "nothing", None, 3, {}, '{"instances": [[1]]}']
    lines: list[Any] = [
        {"captureData": {"endpointInput": {**part, "data": one}, "endpointOutput": part}, "eventMetadata": event}
        for one in bodies
    ]
    lines += [{}, {"captureData": None}, {"captureData": {}, "eventMetadata": {"inferenceTime": "never"}}]
    source = write_lines(tmp_path / "capture.jsonl", lines)
    done = imported(project, source, mapping=OF_LAYOUTS, options=SourceOptions("sagemaker"))
    assert (0, len(lines), ()) == (done.predictions, done.refused, done.faults)


def test_parquet_that_is_damaged_or_nested_is_told(project: Project, tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing PAR1")
    done = imported(project, tmp_path / "bad.parquet", mapping=MAPPING)
    assert ("bad.parquet: it cannot be read to its end (ArrowInvalid)",) == done.faults
    nested = {"id": ["a"], "at": ["2026-01-01"], "said": [["ok"]], "chance": [0.5], "model": ["v"], "x": [1.0]}
    pq.write_table(pa.table(nested), tmp_path / "nested.parquet")
    done = imported(project, tmp_path / "nested.parquet", mapping=MAPPING)
    assert (0, 1) == (done.predictions, done.refused)


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "SELECT 1; DROP TABLE x",
        "ATTACH '{folder}/x.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('{folder}/../secret.txt')",
        "SELECT * FROM glob('/etc/*')",
        "CREATE TABLE t AS SELECT 1",
        "SELECT 1) AS given; COPY (SELECT 2) TO '{folder}/out.csv'; SELECT * FROM (SELECT 1",
    ],
)
def test_sql_reads_only_the_files_beside_it_and_writes_none(project: Project, tmp_path: Path, query: str) -> None:
    folder = tmp_path / "queries"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "q.sql").write_text(query.format(folder=folder))
    done = imported(project, folder / "q.sql", mapping=MAPPING)
    assert (0, 0, 1) == (done.read, done.predictions, len(done.faults))
    assert ["q.sql"] == [path.name for path in folder.iterdir()]
    assert "secret" not in done.faults[0]


def test_paths_are_taken_as_they_are_and_only_files_are_read(project: Project, tmp_path: Path) -> None:
    odd = tmp_path / "log[1]*.csv"
    odd.write_bytes(HEADER + GOOD % b"odd")
    (tmp_path / "log1x.csv").write_bytes(HEADER + GOOD % b"other")
    os.mkfifo(tmp_path / "pipe.csv")
    assert 1 == imported(project, odd, mapping=MAPPING).predictions
    assert {"odd"} == kept(project)
    done = imported(project, tmp_path / "pipe.csv", mapping=MAPPING)
    assert "NotRegularError" in done.faults[0]
    for wrong in ("missing.csv", "*.nothing", str(tmp_path), "\0", "**/"):
        with pytest.raises(InputError):
            imported(project, wrong, mapping=MAPPING)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "no mapping of keys"),
        ("idd: x", "unknown key 'idd'"),
        ("time: [a]", "'time' is no text"),
        ("rename: {a: 1}", "no mapping of texts"),
        ("id: {a: b}", "no list of texts"),
        ("!!python/object/apply:os.system ['touch x']", "cannot be read"),
        ("{" * 5000, "cannot be read"),
    ],
)
def test_a_mapping_file_that_is_none_is_refused_by_its_key(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mapping.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_mapping(tmp_path / "mapping.yaml")
