"""Follows the desired state in one worker: loads versions in the background, swaps them in, acknowledges.

The previous champion stays in memory as long as its endpoint does, so that a rollback loads nothing. While the state
database is down, the worker serves the last known state, and ``/health`` reports its age. What looks at all endpoints
is done when something changed, and else the rarer, the more of them there are.
"""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from modelops_pipelines.core.access.teams import owned_endpoints
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import BusyError, ModelOpsError, StateError, UnavailableError, UnknownError
from modelops_pipelines.core.release.desired_state import DesiredState, same_trial
from modelops_pipelines.core.release.live_counts import Second
from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.gateway.worker.acknowledgements import Acknowledgements
from modelops_pipelines.gateway.worker.background_tasks import BackgroundTasks, Pace
from modelops_pipelines.gateway.worker.class_names import is_behind, renamed, with_recorded_classes
from modelops_pipelines.gateway.worker.configuration.endpoint_configurations import EndpointConfigurations
from modelops_pipelines.gateway.worker.crash_book import CrashBook
from modelops_pipelines.gateway.worker.ended_workers import crashes_left
from modelops_pipelines.gateway.worker.kept_proofs import KeptProofs
from modelops_pipelines.gateway.worker.live_metrics import LiveMetrics, SharedMetrics, summary
from modelops_pipelines.gateway.worker.request_marks import LeftBehind
from modelops_pipelines.gateway.worker.residency.beginning import Beginning
from modelops_pipelines.gateway.worker.residency.budget import budget_of
from modelops_pipelines.gateway.worker.residency.preloading import Preloading
from modelops_pipelines.gateway.worker.residency.previous import PreviousChampions
from modelops_pipelines.gateway.worker.residency.residency import Residency
from modelops_pipelines.gateway.worker.residency.versions import Versions
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint, not_loaded_error
from modelops_pipelines.gateway.worker.version_processes import CHECK_SECONDS, Loaded, VersionProcesses
from modelops_pipelines.gateway.worker.watchdog import JUDGE_SECONDS, Watchdog
from modelops_pipelines.store.filesystem.process_identity import this_process
from modelops_pipelines.store.stores import Stores

POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 1.0
CLASSES_SECONDS = 2.0
FOLLOWING = ("heartbeat", "keys", "sync")
RESIDENT = 4
RETRY_SECONDS = 10.0
CRASH_SECONDS = 0.5
STATE_FAULTS = BusyError, UnavailableError, StateError
UNREAD = object()
"""In place of the newest event's hash, where the desired states are to be read whatever that is."""
NEVER_DEPLOYED = 0
"""The generation of an endpoint without a desired state; one whose state vanished serves on."""
_LOG = logging.getLogger("modelops.gateway")


class Serving:
    """All endpoints of this worker."""

    def __init__(self, stores: Stores, keyring: Keyring, worker: str) -> None:
        """Read the endpoints' YAML (raises OnboardingError); call ``start`` to follow desired state and keys."""
        self._stores, self._keyring, self.worker = stores, keyring, worker
        self.workers = stores.settings.workers
        self._secret = stores.database.secret()
        self._served: dict[str, ServedEndpoint] = {}
        self._failed: dict[str, tuple[int, float]] = {}
        self._failures: dict[str, str] = {}
        self._shared = SharedMetrics(stores.settings.home / "live", worker)
        self.crashes = CrashBook(stores, worker)
        proofs = KeptProofs(stores.settings.home)
        proofs.clean()
        self._processes = VersionProcesses(self.crashes, worker, proofs)
        self.configurations = EndpointConfigurations(stores.settings, self._served, self._load, self._renamed)
        self._acknowledgements = Acknowledgements(stores, worker)
        self._versions = Versions(stores, self._processes, self.crashes)
        self._beginning = Beginning(stores, self.crashes, self._versions.has_served)
        budget = budget_of(stores.settings)
        self.residency = Residency(self._served, self._processes, budget, self._on_loaded, self._on_fault)
        self._previous = PreviousChampions(stores, self._beginning, self.residency)
        self._preloading = Preloading(self.residency, self._served, self._previous.keep, stores.settings.spool)
        self._process = this_process()
        self._synced_at: float | None = None
        self._heartbeat_at: float | None = None
        self._classes_at: float | None = None
        self._yaml_pace, self._state_pace, self._classes_pace, self._use_pace = Pace(), Pace(), Pace(), Pace()
        self._followed: object = UNREAD
        self._all_followed = self._is_serving = False
        self._begun: dict[str, int] = {}
        self._owners: dict[str, tuple[str, ...]] = {}
        self._tasks = BackgroundTasks()
        self._read_yaml()

    def start(self) -> None:
        """Register this worker, apply the desired state once, then follow it in background threads."""
        self._read_keys()
        self.repeat("keys", self._read_keys, POLL_SECONDS)  # its own thread: a revocation must not wait for loading
        self._stores.deployments.forget_ended()
        self._heartbeat()
        self.repeat("heartbeat", self._heartbeat, HEARTBEAT_SECONDS)
        self._sync()  # loads nothing: what there is to serve is described, and loaded at its first request or below
        self._is_serving, self._followed = True, UNREAD
        self.repeat("sync", self._sync, POLL_SECONDS)
        self.repeat("preload", self._preloading.turn, POLL_SECONDS)
        watchdog = Watchdog(self._stores, self.endpoints, self._shared)
        self.repeat("watchdog", watchdog.judge, JUDGE_SECONDS)
        self.repeat("processes", self._processes.check, CHECK_SECONDS)
        self.repeat("crashes", self._judge_crashes, CRASH_SECONDS)

    def stop(self) -> None:
        """End the threads and remove this worker from the list of live workers."""
        self._preloading.close()
        self.residency.close()
        self._tasks.stop()
        self._processes.close()
        self.crashes.close()
        self._shared.clear(time.time())
        self._stores.deployments.leave(self.worker)

    def endpoint(self, name: str) -> ServedEndpoint:
        """Return the endpoint; raises UnknownError, which lists those that exist while the gateway asks for no key."""
        served = self.find(name)
        if served is None:
            known = f" (known: {', '.join(sorted(self._served)) or 'none'})" if self._keyring.is_open else ""
            raise UnknownError(
                f"There is no endpoint {name[:80]!r}{known}", "Correct the name, or add the endpoint's YAML"
            )
        return served

    def find(self, name: str) -> ServedEndpoint | None:
        """Return the endpoint, None when there is none of this name."""
        return self._served.get(name)

    def endpoints(self) -> list[ServedEndpoint]:
        """Return all endpoints, sorted by name."""
        return [served for _, served in sorted(self._served.items())]  # a copy: another thread may remove one

    def failure(self, endpoint: str) -> str | None:
        """Return why this worker cannot serve what it should, or could not until it was reverted; None if it can."""
        return self._failures.get(endpoint)

    def record_left(self, left: LeftBehind, cause: str) -> None:
        """Record the crashes of versions that took a worker along."""
        for key, crash in crashes_left(left, cause, self._stores.now()).items():
            served = self._served.get(key[0])
            if served is not None:
                self.crashes.record_left(key, served.spec.model_name, crash)

    def state_age(self, now: float) -> float | None:
        """Return the seconds since the state database was last both read and written; None if it never was."""
        if self._synced_at is None or self._heartbeat_at is None:
            return None
        return now - min(self._synced_at, self._heartbeat_at)

    def state_fault(self) -> str | None:
        """Return what is wrong with the state now, as the tasks that follow it say; None when they work."""
        return next((why for name in FOLLOWING if (why := self._tasks.faults.get(name)) is not None), None)

    def faults_of(self, names: Iterable[str]) -> dict[str, str]:
        """Return what is wrong now with background tasks, by their name; those that work are left out."""
        return {name: why for name in names if (why := self._tasks.faults.get(name)) is not None}

    def repeat(self, name: str, step: Callable[[], None], pause: float) -> None:
        """Call ``step`` every ``pause`` seconds in its own thread until ``stop``; exceptions are logged."""
        self._tasks.repeat(name, step, pause)

    def live(self, endpoint: str, now: float, window: int) -> dict[str, Any]:
        """Return the metrics of all workers over the last ``window`` seconds; raises UnknownError."""
        return summary(self.seconds(endpoint, now, window), window)

    def seconds(self, endpoint: str, now: float, window: int) -> list[Second]:
        """Return the counts of all workers in the last ``window`` seconds; raises UnknownError."""
        own = self.endpoint(endpoint).live.since(int(now) - window)
        return [*own, *self._shared.read_others(endpoint, now, window)]

    def _heartbeat(self) -> None:
        address, now = self._stores.settings.gateway_url, self._stores.now()
        self._stores.deployments.heartbeat(self.worker, address, now, self._process)
        self._heartbeat_at = time.time()
        self._acknowledgements.resend()
        self._shared.publish([(served.spec.name, served.live) for served in self.endpoints()], time.time())

    def _read_keys(self) -> None:
        self._keyring.refresh(self._stores.keys)

    @property
    def is_warm(self) -> bool:
        """Whether the versions are in memory that should be before this worker is called ready."""
        return self._preloading.is_warm

    def _sync(self) -> None:
        if self._yaml_pace.is_due():
            with self._yaml_pace.turn():
                self._read_yaml()
        newest = self._stores.deployments.head()  # every change of a desired state appends an event
        if newest != self._followed or self._state_pace.is_due():
            with self._state_pace.turn():
                self._follow_all()
            self._followed = newest  # read before the states: what changed between is read again
        is_old = self._classes_at is None or time.monotonic() - self._classes_at > CLASSES_SECONDS
        if is_old and self._classes_pace.is_due():
            with self._classes_pace.turn():
                self._read_classes()
        if self._use_pace.is_due():
            with self._use_pace.turn():
                self._processes.keep(self.endpoints())
        if self._all_followed:
            self._synced_at = time.time()

    def _follow_all(self) -> None:
        """Bring every endpoint up to date with its desired state."""
        states = {state.endpoint: state for state in self._stores.deployments.all_desired()}
        due = [(one, states.get(one.spec.name, DesiredState(one.spec.name))) for one in self.endpoints()]
        self._beginning.read((served, state) for served, state in due if _begins(served, state))
        self._begun = {}
        followed = [self._follow(served, state) for served, state in due]
        if self._begun:
            self._acknowledgements.send_all(self._begun)
        self._all_followed = all(followed)

    def _read_yaml(self) -> None:
        begun = self.configurations.read()
        for spec in begun:
            self._served[spec.name] = ServedEndpoint(spec, DesiredState(spec.name), {}, LiveMetrics(self._secret))
        if begun:
            self._followed = UNREAD
        self._assign_owners()

    def _assign_owners(self) -> None:
        """Let the keys of teams reach what their teams own by the configurations in force."""
        owners = {name: served.spec.owners for name, served in self._served.items()}
        if owners != self._owners:
            self._keyring.assign(owned_endpoints(owners.items()))
            self._owners = owners

    def _follow(self, served: ServedEndpoint, state: DesiredState) -> bool:
        """Bring one endpoint up to date; what goes wrong with it stops no other, and False is returned."""
        try:
            self._bring_up_to_date(served, state)
        except STATE_FAULTS:  # no endpoint's affair: the next attempt tells
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it is this endpoint's affair alone
            self._failed[state.endpoint] = (state.generation, time.monotonic())
            _LOG.exception("Endpoint %s could not be brought up to date; it is tried again", state.endpoint)
            return False
        return True

    def _bring_up_to_date(self, served: ServedEndpoint, state: DesiredState) -> None:
        """Take over the endpoint's new configuration, then its new state, where there are any."""
        changed = self.configurations.reconfigured(served, state)
        if changed is not None:
            self._served[state.endpoint] = served = changed
            self._assign_owners()
            self._failed.pop(state.endpoint, None)
            if state.generation == changed.state.generation:  # else the new state's own follows
                self._previous.keep(changed)
                self._previous.load(changed)
                if self._failures.pop(state.endpoint, None) is not None:  # what could not be loaded was loaded for it
                    self._acknowledgements.send_change(state.endpoint, state.generation, None)
            self._classes_at = None
        if state.generation < served.state.generation:
            self._acknowledgements.forget(state.endpoint)
        if state.generation != NEVER_DEPLOYED and state != served.state and self._is_due(state):
            self._apply(served, state)
        if self._is_serving:  # at the start nothing is written that callers would have to wait for
            self.configurations.keep(self._served[state.endpoint], state)

    def _judge_crashes(self) -> None:
        self.crashes.judge([served.spec for served in self.endpoints()])

    def _read_classes(self) -> None:
        """Have labels name the classes of every recorded version, and answers those that were stated meanwhile."""
        all_recorded = self._stores.deployments.all_classes()
        for served in self.endpoints():
            recorded = all_recorded.get(served.spec.model_name, {})
            if is_behind(served, recorded):
                served = self._rename(served, served.spec)  # noqa: PLW2901 - the same endpoint
            self._served[served.spec.name] = with_recorded_classes(served, recorded)
        self._classes_at = time.monotonic()

    def _renamed(self, served: ServedEndpoint, spec: EndpointSpec) -> ServedEndpoint:
        return renamed(served, spec, self._stores.deployments.versions(spec.model_name))

    def _rename(self, served: ServedEndpoint, spec: EndpointSpec) -> ServedEndpoint:
        """Return the endpoint with its answers named as its YAML says, or as before where YAML and version differ."""
        try:
            return self._renamed(served, spec)
        except ModelOpsError as error:
            self._versions.report(spec.name, f"its live versions keep the names of their classes: {error}")
            return replace(served, spec=spec)

    def _is_due(self, state: DesiredState) -> bool:
        """Return whether this generation has not failed in the last RETRY_SECONDS."""
        generation, failed_at = self._failed.get(state.endpoint, (0, 0.0))
        return state.generation != generation or time.monotonic() - failed_at > RETRY_SECONDS

    def _apply(self, served: ServedEndpoint, state: DesiredState) -> None:
        """Load the state's versions, swap, acknowledge; on failure keep the current ones and report the error."""
        name, error = state.endpoint, None
        is_unloaded = _begins(served, state)
        try:
            loaded = (
                self._beginning.batchers(served, state)
                if is_unloaded
                else {v.version: self._load(served, v.version) for v in state.answering}
            )
        except STATE_FAULTS:  # they say nothing of the version
            raise
        except ModelOpsError as failure:
            error = str(failure)
            self._failed[name] = (state.generation, time.monotonic())
            self._failures[name] = error
            if state.answering and not served.state.variants:
                self._served[name] = replace(served, unserved=not_loaded_error(state, failure))
            _LOG.error(
                "Endpoint %s keeps serving generation %d; generation %d failed, next attempt in %g s: %s",
                name,
                served.state.generation,
                state.generation,
                RETRY_SECONDS,
                error,
                exc_info=failure,
            )
        else:
            served.live.begin_leg(same_trial=same_trial(served.state, state))
            resident = dict(list({**served.loaded, **loaded}.items())[-RESIDENT:])
            self._served[name] = replace(served, state=state, loaded=resident | loaded, probation=None, unserved=None)
            if state.variants:  # after a revert to nothing the failure stays known
                self._failures.pop(name, None)
            unproven = next((why for batcher in loaded.values() if (why := batcher.model.unproven)), None)
            if unproven is not None:
                self._failures[name] = unproven
            self._classes_at = None
        if error is None and is_unloaded:
            self._begin(self._served[name])
            return
        self._acknowledgements.send(name, state.generation, error)
        if error is None:
            self._served[name].live.used_at = time.monotonic()
            self._previous.keep(self._served[name])
            self._previous.load(self._served[name])
            self.residency.make_room()

    def _begin(self, served: ServedEndpoint) -> None:
        """Acknowledge an endpoint that this worker begins to serve; what is being deployed has to load first."""
        name, state = served.spec.name, served.state
        if self._beginning.is_deploying(name) and state.answering:
            for variant in state.answering:
                self.residency.request((name, variant.version))
        else:
            self._begun[name] = state.generation
        recent = state.since is None or self._stores.now() - state.since < served.spec.guard.watch
        if state.variants and (recent or state.challenger is not None):
            self._previous.keep(served)

    def _on_loaded(self, served: ServedEndpoint, loaded: Loaded) -> None:
        """Take note of a version that was loaded later than its endpoint began, or has come back."""
        name = served.spec.name
        self._versions.note_later(served, loaded)
        current = self._served.get(name, served)
        if loaded.model.version.version not in {variant.version for variant in current.state.answering}:
            return
        if current.load_fault is None:
            self._failures.pop(name, None)
        if loaded.model.unproven is not None:
            self._failures[name] = loaded.model.unproven
        if current.is_resident:
            self._acknowledgements.send_change(name, current.state.generation, None)

    def _on_fault(self, served: ServedEndpoint, version: str, error: ModelOpsError) -> None:
        """Take note of a version that could not be loaded."""
        name, state = served.spec.name, served.state
        _LOG.error("Version %s of %s cannot be loaded: %s", version, name, error, exc_info=error)
        if version in {variant.version for variant in state.answering}:
            self._failures[name] = str(error)
            self._acknowledgements.send_change(name, state.generation, str(error))

    def _load(
        self, served: ServedEndpoint, version: str, replaced: Batcher | None = None, *, anew: bool = False
    ) -> Batcher:
        """Return the version in memory, loaded if need be; raises ModelError. See ``Versions.load``."""
        known = served.loaded.get(version)
        if known is not None:
            if not known.is_resident:
                self.residency.ensure(served.spec.name, version)
            return known
        if replaced is not None and not replaced.is_resident:
            with suppress(ModelOpsError):  # what it is like is known when it has been loaded
                self.residency.ensure(served.spec.name, version)
        return self._versions.load(served, version, self.configurations, replaced, anew=anew)


def _begins(served: ServedEndpoint, state: DesiredState) -> bool:
    """Return whether this worker begins to serve the endpoint: then nothing of it is loaded yet."""
    return served.state.generation == NEVER_DEPLOYED and not served.loaded and state.generation != NEVER_DEPLOYED
