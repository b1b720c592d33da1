"""Temporary folders go with their process, however it ends; those of processes that live stay."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelops_pipelines.store.filesystem import scratch
from modelops_pipelines.store.filesystem.scratch import PREFIX, Scratch, remove_abandoned, scratch_folder

OWNER = """
import sys
from modelops_pipelines.store.filesystem.scratch import Scratch
made = Scratch()
(made.path / "model").mkdir()
(made.path / "model" / "copy.skops").write_bytes(b"x" * 1000)
print(made.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def owners(temporary: Path) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-c", OWNER]
    started = [
        subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(temporary))
        for _ in range(2)
    ]
    yield started
    for one in started:
        one.kill()
        one.communicate()


def test_what_a_killed_process_has_left_goes_with_the_next_and_a_living_one_s_stays(
    owners: list[subprocess.Popen[str]], temporary: Path
) -> None:
    killed, living = (Path(_line(one)) for one in owners)
    owners[0].kill()
    owners[0].wait()
    assert killed.exists()
    made = Scratch()
    assert {living, made.path} == set(temporary.glob(f"{PREFIX}*"))
    made.remove()
    made.remove()
    assert [living] == list(temporary.glob(f"{PREFIX}*"))
    assert (living / "model" / "copy.skops").exists()


def test_a_start_removes_what_is_left_without_making_any(owners: list[subprocess.Popen[str]], temporary: Path) -> None:
    for one in owners:
        _line(one)
        one.kill()
        one.wait()
    remove_abandoned()
    assert [] == list(temporary.glob(f"{PREFIX}*"))


def test_links_and_what_others_keep_there_stay(temporary: Path) -> None:
    elsewhere = temporary / "precious"
    elsewhere.mkdir()
    (temporary / f"{PREFIX}link").symlink_to(elsewhere)
    (temporary / f"{PREFIX}file").write_text("x")
    with scratch_folder() as folder:
        assert folder.exists()
    assert elsewhere.exists()
    assert (temporary / f"{PREFIX}file").exists()
    assert not folder.exists()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _environment(temporary: Path) -> dict[str, str]:
    import os

    return {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join(sys.path)}
