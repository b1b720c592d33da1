"""Follows the desired state in one worker: loads versions in the background, swaps them in, acknowledges.

The previous champion stays in memory, so that a rollback loads nothing. While the state database is down, the worker
serves the last known state, and ``/health`` reports its age.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import (
    BusyError,
    ModelError,
    ModelOpsError,
    StateError,
    UnavailableError,
    UnknownError,
)
from modelops_pipelines.core.release.deployment_states import LIVE
from modelops_pipelines.core.release.deployment_states import STOPPED as REPLACED
from modelops_pipelines.core.release.desired_state import DesiredState, same_trial
from modelops_pipelines.core.release.event_log import champions, replacement
from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.gateway.worker.acknowledgements import Acknowledgements
from modelops_pipelines.gateway.worker.background_tasks import BackgroundTasks
from modelops_pipelines.gateway.worker.class_names import is_behind, renamed, with_recorded_classes
from modelops_pipelines.gateway.worker.configuration.endpoint_configurations import EndpointConfigurations
from modelops_pipelines.gateway.worker.crash_book import CrashBook
from modelops_pipelines.gateway.worker.ended_workers import crashes_left
from modelops_pipelines.gateway.worker.live_metrics import LiveMetrics, SharedMetrics, summary
from modelops_pipelines.gateway.worker.request_marks import LeftBehind
from modelops_pipelines.gateway.worker.served_endpoint import Probation, ServedEndpoint, not_loaded_error
from modelops_pipelines.gateway.worker.version_processes import CHECK_SECONDS, VersionProcesses
from modelops_pipelines.gateway.worker.watchdog import JUDGE_SECONDS, Watchdog
from modelops_pipelines.operations.versions.copies import servable
from modelops_pipelines.store.filesystem.process_identity import this_process
from modelops_pipelines.store.state.release.deployments import required_version
from modelops_pipelines.store.stores import Stores

POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 1.0
CLASSES_SECONDS = 2.0
FOLLOWING = ("heartbeat", "keys", "sync")
RESIDENT = 4
RETRY_SECONDS = 10.0
CRASH_SECONDS = 0.5
STATE_FAULTS = BusyError, UnavailableError, StateError
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
        self._processes = VersionProcesses(self.crashes, worker)
        self.configurations = EndpointConfigurations(stores.settings, self._served, self._load, self._renamed)
        self._acknowledgements = Acknowledgements(stores, worker)
        self._process = this_process()
        self._synced_at: float | None = None
        self._heartbeat_at: float | None = None
        self._classes_at: float | None = None
        self._reported: dict[str, str] = {}
        self._tasks = BackgroundTasks()
        self._read_yaml()

    def start(self) -> None:
        """Register this worker, apply the desired state once, then follow it in background threads."""
        self._read_keys()
        self.repeat("keys", self._read_keys, POLL_SECONDS)  # its own thread: a revocation must not wait for loading
        self._stores.deployments.forget_ended()
        self._heartbeat()
        self.repeat("heartbeat", self._heartbeat, HEARTBEAT_SECONDS)
        self._sync()  # after the first heartbeat: loading may take longer than a worker without one counts as alive
        self.repeat("sync", self._sync, POLL_SECONDS)
        watchdog = Watchdog(self._stores, self.endpoints, self._shared)
        self.repeat("watchdog", watchdog.judge, JUDGE_SECONDS)
        self.repeat("processes", self._processes.check, CHECK_SECONDS)
        self.repeat("crashes", self._judge_crashes, CRASH_SECONDS)

    def stop(self) -> None:
        """End the threads and remove this worker from the list of live workers."""
        self._tasks.stop()
        self._processes.close()
        self.crashes.close()
        self._shared.clear(time.time())
        self._stores.deployments.leave(self.worker)

    def endpoint(self, name: str) -> ServedEndpoint:
        """Return the endpoint; raises UnknownError, which lists the endpoints that exist."""
        served = self._served.get(name)
        if served is None:
            known = ", ".join(sorted(self._served)) or "none"
            raise UnknownError(
                f"There is no endpoint {name[:80]!r} (known: {known})", "Correct the name, or add the endpoint's YAML"
            )
        return served

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

    def repeat(self, name: str, step: Callable[[], None], pause: float) -> None:
        """Call ``step`` every ``pause`` seconds in its own thread until ``stop``; exceptions are logged."""
        self._tasks.repeat(name, step, pause)

    def live(self, endpoint: str, now: float, window: int) -> dict[str, Any]:
        """Return the metrics of all workers over the last ``window`` seconds; raises UnknownError."""
        own = self.endpoint(endpoint).live.since(int(now) - window)
        return summary([*own, *self._shared.read_others(endpoint, now, window)], window)

    def _heartbeat(self) -> None:
        address, now = self._stores.settings.gateway_url, self._stores.now()
        self._stores.deployments.heartbeat(self.worker, address, now, self._process)
        self._heartbeat_at = time.time()
        self._acknowledgements.resend()
        self._shared.publish([(served.spec.name, served.live) for served in self.endpoints()], time.time())

    def _read_keys(self) -> None:
        self._keyring.refresh(self._stores.keys)

    def _sync(self) -> None:
        self._read_yaml()
        states = {state.endpoint: state for state in self._stores.deployments.all_desired()}
        followed = [
            self._follow(one, states.get(one.spec.name, DesiredState(one.spec.name))) for one in self.endpoints()
        ]
        if self._classes_at is None or time.monotonic() - self._classes_at > CLASSES_SECONDS:
            self._read_classes()
        self._processes.keep(self.endpoints())
        if all(followed):
            self._synced_at = time.time()

    def _read_yaml(self) -> None:
        for spec in self.configurations.read():
            self._served[spec.name] = ServedEndpoint(spec, DesiredState(spec.name), {}, LiveMetrics(self._secret))

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
            self._failed.pop(state.endpoint, None)
            if state.generation == changed.state.generation:  # else the new state's own follows
                self._keep_previous(changed)
            self._classes_at = None
        if state.generation < served.state.generation:
            self._acknowledgements.forget(state.endpoint)
        if state.generation != NEVER_DEPLOYED and state != served.state and self._is_due(state):
            self._apply(served, state)
        self.configurations.keep(self._served[state.endpoint], state)

    def _judge_crashes(self) -> None:
        self.crashes.judge([served.spec for served in self.endpoints()])

    def _read_classes(self) -> None:
        """Have labels name the classes of every recorded version, and answers those that were stated meanwhile."""
        for served in self.endpoints():
            recorded = self._stores.deployments.classes(served.spec.model_name)
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
            self._report(spec.name, f"its live versions keep the names of their classes: {error}")
            return replace(served, spec=spec)

    def _is_due(self, state: DesiredState) -> bool:
        """Return whether this generation has not failed in the last RETRY_SECONDS."""
        generation, failed_at = self._failed.get(state.endpoint, (0, 0.0))
        return state.generation != generation or time.monotonic() - failed_at > RETRY_SECONDS

    def _apply(self, served: ServedEndpoint, state: DesiredState) -> None:
        """Load the state's versions, swap, acknowledge; on failure keep the current ones and report the error."""
        name, error = state.endpoint, None
        try:
            loaded = {v.version: self._load(served, v.version) for v in state.answering}
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
        self._acknowledgements.send(name, state.generation, error)
        if error is None:
            self._keep_previous(self._served[name])
            self._classes_at = None

    def _load(
        self, served: ServedEndpoint, version: str, replaced: Batcher | None = None, *, anew: bool = False
    ) -> Batcher:
        """Return the version from memory, or load it and have it prove that it answers; raises ModelError.

        With a new configuration (``anew``) it may be no worse than ``replaced``: prove itself, if that does. A version
        that is deployed beside a live one while the newest configuration is refused is refused with it.
        """
        if version in served.loaded:
            return served.loaded[version]
        found = servable(self._stores, required_version(self._stores.deployments, served.spec.model_name, version))
        deploying = any(attempt.version == version for attempt in self._stores.deployments.unsettled(served.spec.name))
        has_served = self._has_served(served.spec.name, version)
        is_beside = deploying and not has_served and bool(served.state.variants)
        if is_beside and (why := self.configurations.refusal(served)) is not None:
            raise ModelError(f"The endpoint's YAML cannot be served with: {why}", "Correct it, then deploy again")
        if anew:
            deploying = replaced is None or replaced.model.classes_fault is None
            has_served = replaced is not None and replaced.model.unproven is not None
        model, own = self._processes.load(found, served.spec, strict=deploying, has_served=has_served)
        if own != found:
            self._stores.deployments.record_classes(own)
        if model.classes_fault is not None:
            self._report(served.spec.name, model.classes_fault)
        _LOG.info("Loaded version %s of %s: %s", version, found.model_name, model.path.describe())
        return Batcher(model, self.crashes.suspects(served.spec.name, version))

    def _report(self, endpoint: str, problem: str) -> None:
        """Log a problem with the classes, once until it changes."""
        if self._reported.get(endpoint) != problem:
            self._reported[endpoint] = problem
            _LOG.error("Endpoint %s: %s", endpoint, problem)

    def _has_served(self, endpoint: str, version: str) -> bool:
        """Return whether a version served here before: a new release must not end it, nor refuse a rollback to it.

        It has a deployment that became active, or none: then it was deployed by a release that recorded none.
        """
        deployments = [one for one in self._stores.deployments.attempts([endpoint]) if one.version == version]
        return not deployments or any(one.status in (LIVE, REPLACED) for one in deployments)

    def _keep_previous(self, served: ServedEndpoint) -> None:
        """Load the previous champion, so that a rollback is immediate; a failure is only logged.

        For some time the new champion is compared with it (``guard: {watch: ...}``).
        """
        events = self._stores.deployments.events(served.spec.name)
        line, release = champions(events), replacement(events, served.state.champion)
        if len(line) > 1 and release is not None:
            served.probation = Probation(line[-2], (release.at + served.spec.guard.watch).timestamp())
        if len(line) > 1 and line[-2] not in served.loaded:
            try:
                served.loaded[line[-2]] = self._load(served, line[-2])
            except ModelOpsError as error:
                _LOG.warning(
                    "Endpoint %s: the previous champion could not be loaded, so a rollback has to load it: %s",
                    served.spec.name,
                    error,
                )
