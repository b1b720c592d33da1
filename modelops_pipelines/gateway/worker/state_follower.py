"""What this worker serves: it follows the desired state, loads off the path, swaps, acknowledges.

The previous champion stays resident, so that a rollback loads nothing. When the state database is away, serving
goes on with the last known state, and says how old it is.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import (
    ModelError,
    ModelOpsError,
    OnboardingError,
    UnknownError,
)
from modelops_pipelines.core.models.output_kinds import UNKNOWN
from modelops_pipelines.core.release.desired_state import DesiredState, same_trial
from modelops_pipelines.core.release.event_log import champions
from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.gateway.model_runtime.frames import example_of
from modelops_pipelines.gateway.model_runtime.loaded_model import Model
from modelops_pipelines.gateway.model_runtime.prediction_paths import find_way
from modelops_pipelines.gateway.worker.live_metrics import Board, summary
from modelops_pipelines.gateway.worker.served import Served
from modelops_pipelines.gateway.worker.watchdog import LOOK_SECONDS, Watchdog
from modelops_pipelines.operations.endpoints.load import read_endpoints
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.state.release.deployments import ModelVersion, required_version
from modelops_pipelines.store.stores import Stores

POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 1.0
RESIDENT = 4
RETRY_SECONDS = 10.0
_DECIDE_LOADING = ("model_name", "task", "positive_label", "allow_pickle", "accept_pickles", "row_wise")
_LOG = logging.getLogger("modelops.gateway")


class Serving:
    """All endpoints of this worker."""

    def __init__(self, stores: Stores, keyring: Keyring, worker: str) -> None:
        """Read the endpoints' YAML (raises OnboardingError); call ``start`` to follow desired state and keys."""
        self._stores, self._keyring, self.worker = stores, keyring, worker
        self.workers = stores.settings.workers
        self._served: dict[str, Served] = {}
        self._refused: dict[str, tuple[int, float]] = {}
        self._board = Board(stores.settings.home / "live", worker)
        self._yaml_seen: tuple[tuple[str, int], ...] = ()
        self._synced_at: float | None = None
        self._beaten_at: float | None = None
        self._stop = threading.Event()
        self._followers: list[threading.Thread] = []
        self._read_yaml()

    def start(self) -> None:
        """Say that this worker lives, bring it to the desired state once, then follow it in the background."""
        self._read_keys()
        self.follow("keys", self._read_keys, POLL_SECONDS)  # apart from the models: a revocation waits for no loading
        self._beat()
        self.follow("heartbeat", self._beat, HEARTBEAT_SECONDS)
        self._sync()  # loading may take longer than a worker without a heartbeat counts as alive
        self.follow("sync", self._sync, POLL_SECONDS)
        watchdog = Watchdog(self._stores, self.endpoints, self._board)
        self.follow("watchdog", watchdog.look, LOOK_SECONDS)

    def stop(self) -> None:
        """End the threads and take this worker off the list."""
        self._stop.set()
        for thread in self._followers:
            thread.join(timeout=5)
        self._board.clear(time.time())
        self._stores.deployments.leave(self.worker)

    def endpoint(self, name: str) -> Served:
        """Return the endpoint; raises UnknownError, naming those that exist."""
        served = self._served.get(name)
        if served is None:
            known = ", ".join(sorted(self._served)) or "none"
            raise UnknownError(
                f"There is no endpoint {name[:80]!r} (known: {known})", "Check the address, or add its YAML"
            )
        return served

    def endpoints(self) -> list[Served]:
        """Return all endpoints, by name."""
        return [self._served[name] for name in sorted(self._served)]

    def state_age(self, now: float) -> float | None:
        """Return how many seconds ago the state database was last read and written; None when it never was."""
        if self._synced_at is None or self._beaten_at is None:
            return None
        return now - min(self._synced_at, self._beaten_at)

    def follow(self, name: str, step: Callable[[], None], pause: float) -> None:
        """Repeat a step every ``pause`` seconds in a thread of its own, until the end; what fails is logged."""
        thread = threading.Thread(target=self._repeat, args=(step, pause), name=name, daemon=True)
        thread.start()
        self._followers.append(thread)

    def _repeat(self, step: Callable[[], None], pause: float) -> None:
        while not self._stop.wait(pause):
            try:
                step()
            except Exception:  # noqa: BLE001 - a thread that ends would stop following the desired state
                _LOG.exception("%s failed; it is tried again", step.__name__.strip("_"))

    def live(self, endpoint: str, now: float, window: int) -> dict[str, Any]:
        """Return what all workers have answered in the last ``window`` seconds; raises UnknownError."""
        own = self.endpoint(endpoint).live.since(int(now) - window)
        return summary([*own, *self._board.others(endpoint, now, window)], window)

    def _beat(self) -> None:
        self._board.tell([(served.spec.name, served.live) for served in self.endpoints()], time.time())
        self._stores.deployments.heartbeat(self.worker, self._stores.settings.gateway_url, self._stores.now())
        self._beaten_at = time.time()

    def _read_keys(self) -> None:
        self._keyring.refresh(self._stores.keys)

    def _sync(self) -> None:
        self._read_yaml()
        for state in self._stores.deployments.all_desired():
            served = self._served.get(state.endpoint)
            if served is not None and state.generation > served.state.generation and self._may_try(state):
                self._take_over(served, state)
        self._synced_at = time.time()

    def _may_try(self, state: DesiredState) -> bool:
        """Return whether a generation was not refused, or so long ago that what was missing may be there now."""
        generation, since = self._refused.get(state.endpoint, (0, 0.0))
        return state.generation != generation or time.monotonic() - since > RETRY_SECONDS

    def _take_over(self, served: Served, state: DesiredState) -> None:
        """Load what the state asks for, swap, acknowledge; on failure keep serving what was and say why."""
        name, error = state.endpoint, None
        try:
            loaded = {v.version: self._load(served, v.version) for v in state.answering}
        except ModelOpsError as failure:
            error = str(failure)
            self._refused[name] = (state.generation, time.monotonic())
            _LOG.error("endpoint %s stays at generation %d: %s", name, served.state.generation, error)
        else:
            if not same_trial(served.state, state):
                served.live.begin_anew()
            resident = dict(list({**served.loaded, **loaded}.items())[-RESIDENT:])
            self._served[name] = Served(served.spec, state, resident | loaded, served.live)
        self._stores.deployments.acknowledge(self.worker, name, state.generation, error, self._stores.now())
        if error is None:
            self._keep_previous(self._served[name])

    def _load(self, served: Served, version: str) -> Batcher:
        """Return the version from memory, or load it and warm it up with its own kind of rows."""
        if version in served.loaded:
            return served.loaded[version]
        found = required_version(self._stores.deployments, served.spec.model_name, version)
        model = load_model(found, served.spec)
        folder = Path(found.artifact_uri.removeprefix("file://"))
        _warm_up(model.predict, found, folder)
        merges = served.spec.row_wise and found.output != UNKNOWN
        way = find_way(model, folder, found.inputs, row_wise=merges)
        _LOG.info("version %s of %s: %s", version, found.model_name, way.describe())
        return Batcher(Model(found, way, served.spec))

    def _keep_previous(self, served: Served) -> None:
        """Have the champion before in memory, for a rollback; a failure here harms nobody and is logged."""
        line = champions(self._stores.deployments.events(served.spec.name))
        if len(line) > 1 and line[-2] not in served.loaded:
            try:
                served.loaded[line[-2]] = self._load(served, line[-2])
            except ModelOpsError as error:
                _LOG.warning("endpoint %s: the previous champion is not resident: %s", served.spec.name, error)

    def _read_yaml(self) -> None:
        """Take over new and changed endpoint files; faulty ones leave what was."""
        folder = self._stores.settings.endpoints
        seen = tuple((str(path), path.stat().st_mtime_ns) for path in sorted(folder.rglob("*.y*ml")))
        if seen == self._yaml_seen:
            return
        first, self._yaml_seen = not self._yaml_seen, seen
        try:
            specs = read_endpoints(folder)
        except OnboardingError as error:
            if first:
                raise
            _LOG.warning("the endpoints stay as they were: %s", error)
            return
        for spec in specs:
            old = self._served.get(spec.name)
            keep = old is not None and _loads_alike(old.spec, spec)
            self._served[spec.name] = (
                replace(old, spec=spec) if old and keep else Served(spec, DesiredState(spec.name), {})
            )
        for name in set(self._served) - {spec.name for spec in specs}:
            del self._served[name]


def _loads_alike(old: EndpointSpec, new: EndpointSpec) -> bool:
    """Return whether what was loaded for the old configuration is right for the new one too."""
    return all(getattr(old, name) == getattr(new, name) for name in _DECIDE_LOADING)


def _warm_up(predict: Callable[[Any], Any], version: ModelVersion, folder: Path) -> None:
    """Predict once on one of the model's own example rows; what fails here would fail every request."""
    try:
        example = example_of(folder)
        if example is not None:
            predict(example)
    except Exception as error:  # a model's own code may raise anything
        raise ModelError(
            f"Version {version.version} of {version.model_name!r} fails on its own input example "
            f"({type(error).__name__})",
            "Log a version that answers its example",
        ) from error
