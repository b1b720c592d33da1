"""Logs are rotated while a process appends to them: no line is lost, and they take no more than their share."""

import os
import subprocess
import sys
from pathlib import Path

from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.filesystem.log_rotation import KEPT, beyond_kept, large_logs, older_than, rotate
from tests.support.waiting import wait_until

WRITER = """
import sys
for number in range(int(sys.argv[1])):
    print(f"line {number:06d}", flush=True)
    if number % 100 == 0:
        sys.stdin.readline()
"""


def rotated(folder: Path, most: int) -> list[str]:
    return [path.name for path in rotate(folder, most, folder / "lock")]


def lines_of(folder: Path) -> list[str]:
    """Return all lines of the gateway's log, oldest file first."""
    files = [folder / f"gateway.log.{number}" for number in range(KEPT, 0, -1)] + [folder / "gateway.log"]
    return [line for path in files if path.exists() for line in path.read_text().splitlines()]


def test_a_log_is_emptied_for_the_process_that_holds_it_open(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    with log.open("ab") as output:
        process = subprocess.Popen([sys.executable, "-c", WRITER, "250"], stdin=subprocess.PIPE, stdout=output)
    assert process.stdin is not None
    for last in (0, 100, 200):
        wait_until(lambda last=last: lines_of(tmp_path)[-1:] == [f"line {last:06d}"], 20)
        assert ["gateway.log"] == rotated(tmp_path, 1)
        process.stdin.write(b"\n")
        process.stdin.flush()
    process.communicate(timeout=20)
    lines = lines_of(tmp_path)
    assert [f"line {number:06d}" for number in range(250)] == lines
    assert not (tmp_path / "gateway.log.draft").exists()


def test_only_large_logs_are_rotated_and_the_oldest_goes_first(tmp_path: Path) -> None:
    (tmp_path / "small.log").write_text("x" * 100)
    (tmp_path / "mlflow.log").write_text("new" * 100)
    for number in range(1, KEPT + 1):
        (tmp_path / f"mlflow.log.{number}").write_text(str(number))
    assert ["mlflow.log"] == [path.name for path in large_logs(tmp_path, 100)]
    [old] = beyond_kept(tmp_path, 100)
    assert ("mlflow.log.4", 1) == (old.path.name, old.bytes)
    assert [] == rotated(tmp_path, 100)  # nothing is overwritten that nobody has recorded as deleted
    old.path.unlink()
    assert ["mlflow.log"] == rotated(tmp_path, 100)
    assert ["new" * 100, "1", "2", "3"] == [(tmp_path / f"mlflow.log.{n}").read_text() for n in range(1, KEPT + 1)]
    assert "" == (tmp_path / "mlflow.log").read_text()
    assert 100 == (tmp_path / "small.log").stat().st_size


def test_one_process_at_a_time_rotates(tmp_path: Path) -> None:
    (tmp_path / "mlflow.log").write_text("x" * 200)
    with exclusive(tmp_path / "lock", "a test"):
        code = (
            "import sys; from pathlib import Path\n"
            "from modelops_pipelines.store.filesystem.log_rotation import rotate\n"
            "folder = Path(sys.argv[1]); print(len(rotate(folder, 100, folder / 'lock')))"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "0" == done.stdout.strip()
    assert ["mlflow.log"] == rotated(tmp_path, 100)


def test_rotated_files_go_by_their_age_and_logs_in_use_do_not(tmp_path: Path) -> None:
    for name in ("a.log", "a.log.1", "a.log.2"):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (1000, 1000))
    os.utime(tmp_path / "a.log.1", (3000, 3000))
    assert ["a.log.2"] == [one.path.name for one in older_than(tmp_path, 2000)]
