"""The rules of the tiers hold: what a unit test may not do fails it, and CI fails for a missing program."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

UNIT = """\
import os, socket, subprocess, threading, time, multiprocessing
import pytest

def quiet(): time.sleep(0)
def sleeps(): time.sleep(0.01)
def runs(): subprocess.run(["true"])
def forks(): os.fork()
def processes(): multiprocessing.get_context("spawn").Process(target=print).start()
def connects(): socket.socket().connect(("127.0.0.1", 1))
def sleeps_in_a_thread():
    thread = threading.Thread(target=sleeps)
    thread.start()
    thread.join()
def hides_it():
    try:
        sleeps()
    except BaseException:
        pass

@pytest.fixture(scope="module")
def slow():
    sleeps()

def test_fixture(slow): ...
"""
ALLOWED = ["quiet"]
REFUSED = ["sleeps", "runs", "forks", "processes", "connects", "sleeps_in_a_thread", "hides_it"]
SKIPPING = """\
from tests.support.programs import needs
import pytest

@needs("no-such-program")
def test_one(): ...

@pytest.mark.skip(reason="mounting is not permitted here")
def test_two(): ...
"""
CRASHING = """\
import os, signal
from pathlib import Path

def test_that_ends_what_another_has_broken():
    if not Path("broken").exists():
        Path("broken").touch()
        os.kill(os.getpid(), signal.SIGSEGV)

def test_that_ends_its_process():
    os.kill(os.getpid(), signal.SIGSEGV)

def test_after(): ...
"""


def run(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, "."]
    return subprocess.run(
        command, cwd=folder, env={**own, "PYTHONPATH": str(ROOT), **environment}, capture_output=True, text=True
    )


def test_a_unit_test_that_does_not_run_alone_fails_and_says_why(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "unit" / "conftest.py", tmp_path)
    tests = "".join(f"def test_{name}(): {name}()\n" for name in ALLOWED + REFUSED)
    (tmp_path / "test_alone.py").write_text(UNIT + tests)
    done = run(tmp_path, "-W", "ignore", "-rA")
    outcomes = {
        line.split()[1].partition("::test_")[2]: line.split()[0]
        for line in done.stdout.splitlines()
        if "::test_" in line
    }
    assert {name for name, outcome in outcomes.items() if outcome == "PASSED"} >= set(ALLOWED)
    for name in REFUSED:
        assert outcomes[name] in {"FAILED", "ERROR"}, done.stdout
    assert outcomes["fixture"] == "ERROR"
    for what in ("starts a process", "sleeps", "opens a connection"):
        assert f"A unit test {what}: move it to tests/integration" in done.stdout


@pytest.mark.parametrize(
    ("lines", "ci", "code"),
    [(None, "true", 1), (None, "", 0), ("test_two", "true", 0)],
    ids=["CI", "here", "no program"],
)
def test_what_is_not_run_is_listed_and_a_missing_program_fails_ci(
    tmp_path: Path, lines: str | None, ci: str, code: int
) -> None:
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    chosen = ["-k", lines] if lines else []
    done = run(tmp_path, "-p", "tests.plugins.not_run", *chosen, CI=ci)
    assert done.returncode == code, done.stdout
    assert "NOT RUN on this machine" in done.stdout
    assert "test_skipping.py::test_two: mounting is not permitted here" in done.stdout
    assert ("test_one: missing program: no-such-program (apt-get install no-such-program)" in done.stdout) == (
        not lines
    )


def test_a_test_whose_worker_crashed_is_run_again_and_named(tmp_path: Path) -> None:
    (tmp_path / "test_crashing.py").write_text(CRASHING)
    crashing = ("-p", "tests.plugins.crashed_workers", "-n", "1", "--dist", "loadfile", "--max-worker-restart", "2")
    done = run(tmp_path, *crashing, "-k", "broken or after")
    assert (0, True) == (done.returncode, "2 passed" in done.stdout), done.stdout
    listed = done.stdout.partition("A WORKER CRASHED, and the test was run again")[2]
    assert "test_crashing.py::test_that_ends_what_another_has_broken" in listed, done.stdout
    again = run(tmp_path, *crashing, "-k", "its_process")
    assert again.returncode == 1, again.stdout
    assert "FAILED test_crashing.py::test_that_ends_its_process" in again.stdout or "1 failed" in again.stdout
