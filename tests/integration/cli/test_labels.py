"""The commands on labels: import a file, show the sources, list what is a label of no prediction."""

import os
import time
from pathlib import Path

import pytest

from modelops_pipelines.core.ids import ENTROPY_BYTES, new_request_id
from modelops_pipelines.operations.capture.ingest import ingest
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.command_line import modelops
from tests.support.imported_labels import label_now
from tests.support.project import CANCER_YAML, Project, make_project

YAML = f"""{CANCER_YAML}\
  label_sources:
    - {{name: lab, kind: files, path: "outcomes/*.csv", request_id: call, labelled_at: known}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project", YAML)
    made.stores.deployments.record_version(VERSION)
    request = new_request_id("cancer", START, 1, bytes(ENTROPY_BYTES), made.stores.database.secret())
    record = request_record("cancer", 1, START, 1, id=request.text, client="call 1")
    write_segment(made.stores, "cancer", "predictions", "w", [record])
    ingest(made.stores, made.spec, "predictions")
    (made.folder / "by hand.csv").write_text(f"prediction_id,label\n{request.text}-0,1\nnobody,0\n")
    return made


def test_a_file_is_imported_once_and_bad_rows_are_told_on_the_side(project: Project) -> None:
    done = modelops(project, "labels", "import", "cancer", "by hand.csv")
    assert 0 == done.code
    assert "2 row(s) read: 1 new label(s)" in done.out
    assert "by hand.csv, row 2: the endpoint never made a prediction with this id" in done.err
    assert ["1"] == list(label_now(project).values())
    again = modelops(project, "labels", "import", "cancer", "by hand.csv", "--json").json
    assert (2, 0, 1) == (again["read"], again["labels"], again["refused"])
    (row,) = modelops(project, "labels", "unmatched", "cancer", "--json").json
    assert ("import", "refused", "by hand.csv, row 2") == (row["source"], row["status"], row["place"])


def test_sources_are_shown_with_their_counts_and_read_when_asked(project: Project) -> None:
    (before,) = modelops(project, "labels", "sources", "cancer", "--json").json
    assert ("lab", "files", 0, None) == (before["source"], before["kind"], before["matched"], before["read_at"])
    path = project.folder / "outcomes" / "a.csv"
    path.parent.mkdir()
    path.write_text("call,label,known\ncall 1,1,2026-03-02\ncall 2,1,2026-03-02\n")
    os.utime(path, (time.time() - 60,) * 2)
    (after,) = modelops(project, "labels", "sources", "cancer", "--read", "--json").json
    assert (1, 1, None) == (after["matched"], after["waiting"], after["error"])
    assert after["rows"] == after["matched"] + after["unmatched"] == 2
    assert after["unmatched"] == sum(after[name] for name in ("waiting", "ambiguous", "expired", "refused"))
    shown = modelops(project, "labels", "unmatched", "cancer")
    assert "no request with this client request id was answered" in shown.out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--entity", "c"), "--entity and --time belong together"),
        (("--request-id", "a", "--prediction-id", "b"), "Give one key"),
        (("--entity", "c", "--time", "t", "--within", "soon"), "is not a time to look back"),
    ],
)
def test_what_makes_no_sense_is_refused(project: Project, given: tuple[str, ...], said: str) -> None:
    done = modelops(project, "labels", "import", "cancer", "by hand.csv", *given)
    assert 2 == done.code
    assert said in done.err
