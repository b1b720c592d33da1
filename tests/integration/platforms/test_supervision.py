"""Services end and are killed: each is started again by itself, and nothing of an `up` that is gone stays."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelops_pipelines.core.errors import ConflictError, SettingsError
from modelops_pipelines.platforms.local import LocalPlatform, running
from modelops_pipelines.platforms.marked_processes import VARIABLE, Mark, end_marked, marked
from modelops_pipelines.platforms.one_up import read_states, refuse_second, sentence_of
from modelops_pipelines.platforms.ports import require_free
from modelops_pipelines.platforms.service import RUNNING, WAITING, Service
from modelops_pipelines.platforms.supervision import Supervisor
from modelops_pipelines.store.filesystem.process_identity import identity_of, is_gone
from modelops_pipelines.store.settings import Settings, load_settings
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.waiting import wait_until

CHILD = "import os, subprocess, sys, time; subprocess.Popen({command}, start_new_session=True); time.sleep(600)"
SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]
PARENT = [sys.executable, "-c", CHILD.format(command=SLEEPS)]
SPARED = [sys.executable, "-c", "import sys, time; sys.stdin.buffer.read(1) and time.sleep(600)"]
ENDS = [sys.executable, "-c", "raise SystemExit(3)"]
UP = """\
import sys, time
from pathlib import Path
from modelops_pipelines.platforms.local import running
from modelops_pipelines.store.settings import load_settings
with running(load_settings(Path(sys.argv[1]), {}), Path(sys.argv[1])) as platform:
    platform._start("parent", eval(sys.argv[2]))
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = load_settings(tmp_path, {})
    made.home.mkdir()
    return made


@pytest.fixture
def platform(settings: Settings) -> Iterator[LocalPlatform]:
    with running(settings, settings.home.parent) as made:
        yield made


def started(platform: LocalPlatform, name: str, command: list[str]) -> Service:
    return platform._start(name, command)


def look_until(supervisor: Supervisor, condition: object) -> None:
    def holds() -> bool:
        supervisor.look()
        return bool(condition())  # type: ignore[operator]

    wait_until(holds, 30)


def test_a_service_that_is_killed_is_started_again_and_told_and_the_others_run_on(platform: LocalPlatform) -> None:
    said: list[str] = []
    one, other = started(platform, "one", SLEEPS), started(platform, "other", SLEEPS)
    supervisor = Supervisor(platform, said.append)
    look_until(supervisor, lambda: one.state == other.state == RUNNING)
    before, beside = one.process.pid, other.process.pid
    os.kill(before, signal.SIGKILL)
    look_until(supervisor, lambda: one.process.pid != before and one.state == RUNNING)
    assert (other.process.pid, other.process.poll(), other.ended_times) == (beside, None, 0)
    assert [sentence.split(";")[0] for sentence in said] == ["one ended (exit code -9) and is started again"]
    known = read_states(platform.home)
    assert known is not None
    assert known["process"] == os.getpid()
    assert sentence_of(known["services"][0]).endswith("ended 1 time(s), last: exit code -9")


def test_a_service_that_ends_again_and_again_waits_longer_and_its_state_says_so(platform: LocalPlatform) -> None:
    said: list[str] = []
    ends = started(platform, "ends", ENDS)
    supervisor = Supervisor(platform, said.append)
    look_until(supervisor, lambda: ends.state == WAITING and ends.ended_times == 2)
    known = read_states(platform.home)
    assert known is not None
    assert (known["services"][0]["state"], known["services"][0]["last_end"]) == (WAITING, "exit code 3")
    assert said[-1].startswith("ends ended (exit code 3); it starts again in 1 s; see ")


def test_what_a_killed_service_had_started_is_ended_before_it_starts_again(platform: LocalPlatform) -> None:
    parent = started(platform, "parent", PARENT)
    supervisor = Supervisor(platform, lambda _: None)
    wait_until(lambda: len(family(platform)) == 2, 30)
    before = family(platform)
    os.kill(parent.process.pid, signal.SIGKILL)
    look_until(supervisor, lambda: len(family(platform) - before) == 2)
    assert family(platform) & before == set()


def test_a_service_without_the_process_that_it_needs_is_started_again(platform: LocalPlatform) -> None:
    parent = platform._start("parent", PARENT, needs="time.sleep(600)")
    supervisor = Supervisor(platform, lambda _: None)
    look_until(supervisor, lambda: len(family(platform)) == 2 and parent.process.pid in supervisor._had)
    first = parent.process.pid
    [child] = family(platform) - {first}
    os.kill(child, signal.SIGKILL)
    look_until(supervisor, lambda: parent.process.pid != first)
    assert parent.last_end == "a process that it needs is gone"


def test_a_spare_process_takes_the_place_of_the_one_that_was_killed(platform: LocalPlatform) -> None:
    one = platform._start("one", SLEEPS, spare_command=SPARED)
    supervisor = Supervisor(platform, lambda _: None)
    for _ in range(2):
        look_until(supervisor, lambda: one.spare is not None)
        assert one.spare is not None
        first, spare = one.process, one.spare.process
        os.kill(first.pid, signal.SIGKILL)
        look_until(supervisor, lambda first=first: one.process is not first)
        assert one.process is spare
    os.kill(one.process.pid, signal.SIGKILL)
    look_until(supervisor, lambda spare=spare: one.process is not spare and one.state == RUNNING)
    platform.stop()
    assert family(platform) == set()


def family(platform: LocalPlatform) -> set[int]:
    return {pid for pid in marked(Mark(platform.home).text()) if not is_gone(identity_of(pid))}


@pytest.mark.parametrize("also_the_warden", [False, True])
def test_up_that_is_killed_leaves_no_process_and_the_next_one_may_begin(
    settings: Settings, *, also_the_warden: bool
) -> None:
    folder = settings.home.parent
    command = [sys.executable, "-c", UP, str(folder), repr(PARENT)]
    up = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
    assert up.stdout is not None
    assert up.stdout.readline() == b"up\n"
    wait_until(lambda: len(marked(Mark(settings.home).text())) == 2, 30)
    told = rf"already runs on {settings.home} \(process {up.pid}\). Stop that one"
    with pytest.raises(ConflictError, match=told), running(settings, folder):
        pytest.fail("two of them")
    with pytest.raises(ConflictError, match=told):
        refuse_second(settings.home)
    wardens = [pid for pid in children(up.pid) if b"platforms.warden" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(wardens) == 1
    for pid in [*(wardens if also_the_warden else []), up.pid]:
        os.kill(pid, signal.SIGKILL)
    up.wait()
    up.stdout.close()
    if not also_the_warden:
        wait_until(lambda: not marked(Mark(settings.home).text()), 30)
    with running(settings, folder):
        assert marked(Mark(settings.home).text()) == []
    assert read_states(settings.home) is None


def children(parent: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=True)
    return [int(pid) for pid in listed.stdout.split()]


def test_only_the_processes_of_the_home_the_up_and_the_service_are_ended(tmp_path: Path) -> None:
    marks = [Mark(tmp_path, "up", "a"), Mark(tmp_path, "up", "ab"), Mark(tmp_path / "b", "up", "a")]
    running_ones = [subprocess.Popen(SLEEPS, env={**os.environ, VARIABLE: mark.text()}) for mark in marks]
    try:
        wait_until(lambda: all(marked(mark.text()) for mark in marks), 30)
        assert end_marked(marks[0].text()) == 1
        assert [one.poll() is None for one in running_ones[1:]] == [True, True]
        assert end_marked(Mark(tmp_path).text()) == 1
        assert running_ones[2].poll() is None
    finally:
        for one in running_ones:
            one.kill()
            one.wait()


def test_a_process_of_another_up_of_the_home_that_showed_late_is_ended_and_no_own_one(platform: LocalPlatform) -> None:
    service = started(platform, "sleeper", SLEEPS)
    stray = subprocess.Popen(SLEEPS, env={**os.environ, VARIABLE: Mark(platform.home, "an earlier up", "run#1").text()})
    wait_until(lambda: stray.pid in marked(Mark(platform.home).text()), 30)
    assert platform.end_strays() == 1
    assert stray.wait(10) == -signal.SIGKILL
    assert service.process.poll() is None
    assert platform.end_strays() == 0


def test_a_gateway_that_was_prepared_is_the_one_that_is_started_and_ends_with_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelops_pipelines.platforms.local.SPARE", SPARED)
    with running(load_settings(tmp_path, {"MODELOPS_GATEWAY_PORT": str(free_port())}), tmp_path) as platform:
        platform.prepare_gateway()
        [prepared] = family(platform)
        assert platform.start_gateway().process.pid == prepared
        platform.prepare_gateway()
    assert family(platform) == set()


def test_a_port_that_another_process_holds_is_refused_with_that_process(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = (
            rf":{port} of mlflow is in use\. Stop the process that listens there.* It is process {os.getpid()} \(.+\)$"
        )
        with pytest.raises(SettingsError, match=told):
            require_free("127.0.0.1", {"gateway": free_port(), "mlflow": port})


def test_a_port_that_is_set_twice_and_an_address_of_another_machine_are_refused() -> None:
    port = free_port()
    with pytest.raises(SettingsError, match=rf":{port} is set for gateway and for dagster. Set MODELOPS_GATEWAY_PORT"):
        require_free("127.0.0.1", {"gateway": port, "dagster": port})
    with pytest.raises(SettingsError, match=r"The port 192.0.2.1:\d+ of gateway cannot be bound"):
        require_free("192.0.2.1", {"gateway": port})
