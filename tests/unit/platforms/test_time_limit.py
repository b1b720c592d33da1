"""A limit of time: foreign code neither outlasts it nor keeps it, and other alarms go on."""

import signal
import threading
import time
from contextlib import suppress

import pytest

from modelops_pipelines.platforms.time_limit import OutOfTimeError, time_limit


def keeps(kind: type[BaseException]) -> None:
    """Run as foreign code may that keeps its errors: for ever, or until it has kept one that is no Exception."""
    while kind is Exception:
        with suppress(kind):
            while True:
                pass
    with suppress(kind):
        while True:
            pass


@pytest.mark.parametrize("kind", [Exception, BaseException])
def test_code_that_never_ends_is_out_of_time_whatever_errors_it_keeps(kind: type[BaseException]) -> None:
    with pytest.raises(OutOfTimeError), time_limit(0.05):
        keeps(kind)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_without_any_time_left_nothing_is_begun(seconds: float) -> None:
    begun = []
    with pytest.raises(OutOfTimeError), time_limit(seconds):
        begun.append(1)
    assert begun == []


def test_what_ends_in_time_is_left_alone_and_an_alarm_of_before_goes_on() -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    timer = signal.setitimer(signal.ITIMER_REAL, 3600.0, 60.0)
    try:
        with time_limit(1800.0):
            assert signal.getitimer(signal.ITIMER_REAL)[0] <= 1800.0
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        assert (True, 60.0) == (1800.0 < left <= 3600.0, interval)
        assert signal.SIG_IGN == signal.getsignal(signal.SIGALRM)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)


def test_a_thread_that_is_not_the_main_one_has_no_limit() -> None:
    ended = []

    def work() -> None:
        with time_limit(0.001):
            begun = time.monotonic()
            while time.monotonic() - begun < 0.01:
                pass
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [True] == ended
