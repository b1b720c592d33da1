"""Reference rows are read as they were written, and go with what they are of."""

from datetime import UTC, datetime
from pathlib import Path

from modelops_pipelines.store.registry.references.drift_references import References
from modelops_pipelines.store.registry.references.reference_rows import (
    Contributed,
    ReferenceRows,
    ReferenceRowsOfVersions,
)

ROWS = ReferenceRows(
    "2 rows of a set",
    ("r1-0", "r2-0"),
    {"x": "float", "n": "int", "c": "text", "b": "bool", "t": "timestamp"},
    {
        "x": [0.1, None],
        "n": [2**60, -1],
        "c": ["ä", None],
        "b": [True, False],
        "t": [datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC), None],
    },
)


def test_what_is_written_is_read_again_with_every_type(tmp_path: Path) -> None:
    store = ReferenceRowsOfVersions(tmp_path)
    assert store.read("e", "m", "1") is None
    assert 0.0 == store.changed_at("e", "m", "1")
    store.write("e", "m", "1", ROWS)
    assert ROWS == store.read("e", "m", "1")
    explained = ROWS.explained(Contributed("tree", "log-odds", {"x": [0.5, -0.25]}))
    store.write("e", "m", "1", explained)
    assert explained == store.read("e", "m", "1")
    assert store.changed_at("e", "m", "1") > 0


def test_an_erased_row_removes_the_files_of_its_endpoint_that_hold_it_and_no_other(tmp_path: Path) -> None:
    store = ReferenceRowsOfVersions(tmp_path)
    for endpoint, version in (("e", "1"), ("e", "2.5"), ("other_e", "1")):
        store.write(endpoint, "m", version, ROWS)
    assert 0 == store.remove_with("e", "m", [])
    assert 0 == store.remove_with("e", "m", ["r3-0"])
    assert 2 == store.remove_with("e", "m", ["r2-0", "r9-0"])
    assert (None, None) == (store.read("e", "m", "1"), store.read("e", "m", "2.5"))
    assert ROWS == store.read("other_e", "m", "1")


def test_a_version_that_is_removed_takes_its_reference_rows_with_it(tmp_path: Path) -> None:
    store = ReferenceRowsOfVersions(tmp_path)
    store.write("e", "m", "1", ROWS)
    store.write("e", "m", "11", ROWS)
    References(tmp_path).remove("m", "1")
    assert store.read("e", "m", "1") is None
    assert ROWS == store.read("e", "m", "11")
