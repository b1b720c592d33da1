"""A process that forks deliverers, to be killed by tests: it imports once, each deliverer begins in milliseconds.

Lines on standard input: a shift of the clock in seconds begins a deliverer, whose process id is printed.
"""

import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

from modelops_pipelines.operations.alerting.delivery.deliver import Deliverer
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores


def deliver(folder: Path, shift: timedelta) -> None:
    """Deliver until this process is killed."""
    stores = Stores(load_settings(folder))
    deliverer = Deliverer(stores, clock=lambda: stores.now() + shift)
    while True:
        deliverer.turn()
        time.sleep(0.01)


def main(folder: Path) -> None:
    """Fork a deliverer for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # an ended one leaves no zombie
    import modelops_pipelines.operations.alerting.delivery.compose
    import modelops_pipelines.store.state.alerting.leases
    import modelops_pipelines.store.state.alerting.messages  # noqa: F401

    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            deliver(folder, timedelta(seconds=float(line)))
        print(pid, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
