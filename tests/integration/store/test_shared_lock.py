"""Many together or one alone; who wants to be alone is not starved by those who come and go."""

import subprocess
import threading
import time
from pathlib import Path

import pytest

from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.store.filesystem.shared_lock import hold_exclusive, hold_inherited, hold_shared, is_held


def test_many_are_in_together_and_nobody_beside_one_alone(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "a.lock"
    with (
        hold_shared(lock, "a"),
        hold_shared(lock, "a"),
        pytest.raises(BusyError, match="has held the lock of a for over 0 s"),
        hold_exclusive(lock, "a", seconds=0.02),
    ):
        pass
    with hold_exclusive(lock, "a"):
        for way in (hold_shared, hold_exclusive):
            with pytest.raises(BusyError, match="has held the lock of a for over 0 s"), way(lock, "a", seconds=0.02):
                pass
    with hold_shared(lock, "a"):
        pass


def test_one_alone_gets_in_though_somebody_is_always_inside(tmp_path: Path) -> None:
    lock, ending = tmp_path / "a.lock", threading.Event()

    def come_and_go() -> None:
        while not ending.is_set():
            with hold_shared(lock, "a"):
                time.sleep(0.01)

    threads = [threading.Thread(target=come_and_go) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            with hold_exclusive(lock, "a", seconds=5):
                pass
    finally:
        ending.set()
        for thread in threads:
            thread.join()


def test_what_inherits_a_lock_holds_it_until_its_own_end(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    assert not is_held(lock)
    with hold_inherited(lock, "a") as held:
        child = subprocess.Popen(["sleep", "60"], pass_fds=[held])
        assert is_held(lock)
    with pytest.raises(BusyError, match="has held the lock of a"), hold_inherited(lock, "a", seconds=0.02):
        pass
    child.kill()
    child.wait()
    assert not is_held(lock)
    with hold_inherited(lock, "a", seconds=0.02):
        pass
