"""A disk that is really full, wherever the write stops: what was acknowledged is in the lake exactly once afterwards."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deltalake.exceptions import DeltaError
from sqlalchemy.exc import OperationalError

from modelops_pipelines.core.errors import UnavailableError
from modelops_pipelines.core.tables.lake import INFERENCE_LOG, REJECTS
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.store.filesystem.files import sync
from modelops_pipelines.store.lake.writer import LakeWriter
from modelops_pipelines.store.spool.segments import SegmentWriter, encode
from tests.fakes.records import START, VERSION, request_record
from tests.support.project import Project, make_project

KIB = 1024
NOISE = [f"{n * 7919 % 100_003:x}" for n in range(300)]


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a disk of its own; where that is not permitted the test is skipped."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def filled(folder: Path, leave: int) -> Iterator[None]:
    """Fill the folder's disk up to so many bytes."""
    filler, block = folder / "filler", bytes(KIB)
    with filler.open("wb", buffering=0) as handle, contextlib.suppress(OSError):
        while True:
            handle.write(block)
    with filler.open("rb+") as handle:
        handle.truncate(max(0, filler.stat().st_size - leave))
    try:
        yield
    finally:
        filler.unlink()


def project_on(disk: Path) -> Project:
    project = make_project(disk / "project")
    project.stores.deployments.record_version(VERSION)
    return project


def capture(writer: SegmentWriter, number: int) -> str | None:
    """Return the request's id when it was acknowledged."""
    record = request_record("cancer", number, START, 300, f={"x": [0.5] * 300, "c": NOISE})
    try:
        writer.append(encode(record), 0.0)
    except OSError:
        return None
    return str(record["id"])


def logged(project: Project) -> list[str]:
    with project.stores.lake.query("cancer", [log_table(project.stores, project.spec), REJECTS]) as connected:
        assert [] == connected.execute("SELECT reason FROM rejects").fetchall()
        found: list[Any] = connected.execute("SELECT request_id, row_index FROM inference_log").fetchall()
    assert len(found) == len(set(found)) == 300 * len({request for request, _ in found})
    return sorted({request for request, _ in found})


@pytest.mark.parametrize("leave", [0, 4, 12, 20, 36, 60])
def test_a_full_disk_under_the_spool_refuses_some_and_loses_none(tmp_path: Path, leave: int) -> None:
    with small_disk(tmp_path / "disk", 3_000 * KIB) as disk:
        project = project_on(disk)
        writer = SegmentWriter(project.stores.settings.spool, "cancer", "predictions", "w")
        acknowledged = [capture(writer, 0)]
        with filled(disk, leave * KIB):
            acknowledged += [capture(writer, number) for number in range(1, 12)]
            with contextlib.suppress(OSError):
                writer.seal()
        assert None in acknowledged
        acknowledged.append(capture(writer, 12))
        writer.seal()
        ingest(project.stores, project.spec, "predictions")
        assert sorted(filter(None, acknowledged)) == logged(project)
        project.stores.database.close()


def test_a_full_disk_under_the_lake_fails_the_ingest_and_the_next_one_ends_it_exactly_once(tmp_path: Path) -> None:
    failures = 0
    with small_disk(tmp_path / "disk", 6_000 * KIB) as disk:
        project = project_on(disk)
        writer = SegmentWriter(project.stores.settings.spool, "cancer", "predictions", "w")
        acknowledged: list[str | None] = []
        for round_ in range(26):
            acknowledged.append(capture(writer, round_))
            writer.seal()
            with filled(disk, round_ * 8 * KIB):
                failures += not ingested(project)
            assert ingested(project)
            assert sorted(filter(None, acknowledged)) == logged(project)
        assert None not in acknowledged
        assert 3 < failures < 26
        project.stores.database.close()


def ingested(project: Project) -> bool:
    try:
        ingest(project.stores, project.spec, "predictions")
    except (OSError, DeltaError, OperationalError, UnavailableError):
        return False
        return False
    return True


@pytest.mark.parametrize("site", ["_sync", "_commit", "sync"])
def test_an_error_at_any_write_of_the_ingest_is_raised_and_the_next_one_ends_it_exactly_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: str
) -> None:
    project = project_on(tmp_path)
    writer = SegmentWriter(project.stores.settings.spool, "cancer", "predictions", "w")
    acknowledged = [capture(writer, number) for number in range(3)]
    writer.seal()
    for nth in range(1, 12):
        with monkeypatch.context() as patched:
            refuse_nth(patched, site, nth)
            with contextlib.suppress(OSError):
                ingest(project.stores, project.spec, "predictions")
    ingest(project.stores, project.spec, "predictions")
    assert sorted(filter(None, acknowledged)) == logged(project)
    assert 1 == project.stores.lake.committed("cancer", INFERENCE_LOG.name, "w")


def refuse_nth(patched: pytest.MonkeyPatch, site: str, nth: int) -> None:
    from modelops_pipelines.store.lake import writer as lake_writer
    from modelops_pipelines.store.spool import segments as spool

    calls = 0
    owners = [lake_writer, spool] if site == "sync" else [LakeWriter]
    real = sync if site == "sync" else getattr(LakeWriter, site)

    def refusing(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise OSError(28, "No space left on device")
        return real(*args, **kwargs)

    for owner in owners:
        patched.setattr(owner, site, refusing)
