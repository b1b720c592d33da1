"""A version's drift reference is read from its files once, and again when they were replaced."""

from pathlib import Path

import pytest

from modelops_pipelines.store.registry.references import drift_references
from modelops_pipelines.store.registry.references.drift_references import Reference, References


def test_a_reference_is_read_once_until_its_files_change(tmp_path: Path) -> None:
    mine, others = References(tmp_path), References(tmp_path)
    assert mine.read("m", "1") is None
    others.write("m", "1", Reference("first", {}))
    first = mine.read("m", "1")
    assert first is not None
    assert ("first", first) == (first.source, mine.read("m", "1"))
    assert first is mine.read("m", "1")
    others.write("m", "1", Reference("other", {}))
    changed = mine.read("m", "1")
    assert changed is not None
    assert "other" == changed.source
    others.remove("m", "1")
    assert mine.read("m", "1") is None


def test_only_so_many_are_kept_and_the_latest_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_references, "KEPT", 2)
    references = References(tmp_path)
    for version in "123":
        references.write("m", version, Reference(version, {}))
    kept = {version: references.read("m", version) for version in "12"}
    assert kept["1"] is references.read("m", "1")
    assert "3" == getattr(references.read("m", "3"), "source", None)
    assert kept["1"] is references.read("m", "1")
    assert kept["2"] is not references.read("m", "2")
