"""The watchers watch each other: the gateway's watch and Dagster's alert sensor each say that they work.

When one stops, the other raises an alert of kind ``watchers``, which no silence hides. When both stop, nothing in this
installation can say so: the heartbeat that they keep alive does, by its absence. One that never ran is not missed.
"""

from datetime import datetime, timedelta

from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.delivery.home_verdicts import apply_home_verdicts, home_verdict
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange
from modelops_pipelines.store.filesystem.process_identity import this_process
from modelops_pipelines.store.state.alerting.leases import Lease
from modelops_pipelines.store.stores import Stores

GATEWAY, DAGSTER = "gateway", "dagster"
WATCHERS = "watchers"
"""The kind of these alerts, and how their rules begin."""
BEAT_SECONDS = 10.0
STOPPED_AFTER = timedelta(minutes=2)
FORGOTTEN_AFTER = timedelta(days=7)
"""One that has been away for so long was removed on purpose."""
_BEAT = "watcher "
_REMEDY = {
    GATEWAY: "nothing is served from here. Start it: modelops up, or modelops gateway",
    DAGSTER: "no window, run or drift is judged. Start it: modelops up (end a gateway that runs alone first: "
    "modelops up starts its own on the same port); see the sensor 'alerts' in Dagster",
}
_NAMES = {GATEWAY: "the gateway", DAGSTER: "Dagster's sensor 'alerts'"}


class Watcher:
    """One of the two watchers, which says that it works, and looks whether the other one does."""

    def __init__(self, name: str) -> None:
        """Be the watcher of this name; the other one is judged after STOPPED_AFTER, as it may be starting too."""
        self._name = name
        self._other = DAGSTER if name == GATEWAY else GATEWAY
        self._since: datetime | None = None
        self._last: datetime | None = None

    def turn(self, stores: Stores, now: datetime) -> list[AlertChange]:
        """Say that this watcher has done its work, and open or resolve the alert on the other; return what changed."""
        stores.leases.beat(_BEAT + self._name, this_process(), now, BEAT_SECONDS)
        if self._since is None or self._last is None or now - self._last > STOPPED_AFTER:
            self._since = now  # this one was away itself: the machine slept, or everything starts
        self._last = now
        beat = stores.leases.beats().get(_BEAT + self._other)
        if beat is None or now - self._since < STOPPED_AFTER:
            return []
        if now - beat.beat_at > FORGOTTEN_AFTER:
            stores.leases.forget(beat.name)
            return apply_home_verdicts(stores, self._rule, [], now)
        problem = self._problem(beat) if now - beat.beat_at > STOPPED_AFTER else None
        verdict = home_verdict(self._rule, WATCHERS, now, problem, f"{_NAMES[self._other]} watches again")
        return apply_home_verdicts(stores, self._rule, [verdict], now)

    @property
    def _rule(self) -> str:
        return f"{WATCHERS}_{self._other}"

    def _problem(self, beat: Lease) -> str:
        return f"{_NAMES[self._other]} has not watched since {text(beat.beat_at)}: {_REMEDY[self._other]}"


def has_watcher(stores: Stores, now: datetime) -> bool:
    """Return whether any watcher works."""
    return any(now - beat <= STOPPED_AFTER for beat in last_watched(stores).values())


def last_watched(stores: Stores) -> dict[str, datetime]:
    """Return when each watcher last said that it works; one that never did, or was removed on purpose, has no time."""
    beats = stores.leases.beats()
    return {name: beats[_BEAT + name].beat_at for name in _NAMES if _BEAT + name in beats}
