"""The demo's person on call: told of the bad version, acknowledges, and is told when it is over."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from examples.flights.on_call import PAGE, RULE, OnCall, new_secret, write_alerting
from examples.flights.receiver import receiving
from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.operations.alerting.delivery.deliver import deliver_due
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.store.stores import Stores
from tests.support.project import make_project


def verdicts(passes: Sequence[bool]) -> list[Verdict]:
    return [
        Verdict(RULE, "quality", "error", passed, 0.3, 0.45, 1861, f"2013-02-{20 + day}T00:00:00Z", "auc of two days")
        for day, passed in enumerate(passes)
    ]


@contextmanager
def delivering(stores: Stores) -> Iterator[None]:
    """Deliver what is due, as the gateway does, until the block ends."""
    stopped = threading.Event()

    def deliver() -> None:
        while not stopped.wait(0.2):
            deliver_due(stores)

    thread = threading.Thread(target=deliver)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def test_the_bad_version_is_told_acknowledged_and_resolved(tmp_path: Path) -> None:
    with receiving(new_secret()) as receiver:
        project = make_project(tmp_path / "project")
        home = project.stores.settings.home
        stores = Stores(replace(project.stores.settings, alerting=write_alerting(home, receiver)))
        on_call = OnCall(stores, receiver, "cancer")
        on_call.watch()
        raise_alerts(stores, "cancer", verdicts([False]))
        with delivering(stores):
            assert "acknowledges the alert" in on_call.take_on()
            [alert] = stores.alerts.find("cancer")
            assert ("acknowledged", "demo") == (alert.state, alert.acknowledged_by)
            raise_alerts(stores, "cancer", verdicts([True, True]))
            assert "resolved" in on_call.see_the_end()
        assert {"alert opened": True, "alert acknowledged": True, "alert resolved": True} == on_call.happened()
        assert RULE in (home / PAGE).read_text()
