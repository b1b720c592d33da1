"""A metric that never ends: when it is called, the time of its endpoint is over."""

import signal


def measure(_rows: object) -> float:
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.05)
    while True:
        pass
