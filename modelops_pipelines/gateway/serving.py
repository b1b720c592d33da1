"""What this worker serves: it follows the desired state, loads off the path, swaps, acknowledges.

The previous champion stays resident, so that a rollback loads nothing. When the state database is away, serving
goes on with the last known state, and says how old it is.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.errors import ModelError, ModelOpsError, NotReadyError, OnboardingError, UnknownError
from modelops_pipelines.core.rollout import DesiredState, Variant, champions, route
from modelops_pipelines.gateway.live import LiveMetrics
from modelops_pipelines.operations.onboarding import read_endpoints
from modelops_pipelines.store.deployments import ModelVersion, required_version
from modelops_pipelines.store.model_files import load_model
from modelops_pipelines.store.stores import Stores

POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 1.0
RESIDENT = 4
_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class Loaded:
    """A version in memory."""

    version: ModelVersion
    predict: Callable[[Any], Any]


@dataclass
class Served:
    """One endpoint: its configuration, what it serves, and its live metrics. Replaced as a whole on a swap."""

    spec: EndpointSpec
    state: DesiredState
    loaded: dict[str, Loaded]
    live: LiveMetrics = field(default_factory=LiveMetrics)

    def choose(self, sticky: bytes) -> tuple[Variant, Loaded]:
        """Return the variant that answers this caller; raises NotReadyError when nothing is loaded."""
        if not self.state.variants:
            raise NotReadyError(
                f"Endpoint {self.spec.name!r} serves no version yet",
                f"Deploy one: modelops deploy {self.spec.name} VERSION",
            )
        variant = route(self.state.variants, sticky)
        return variant, self.loaded[variant.version]


class Serving:
    """All endpoints of this worker."""

    def __init__(self, stores: Stores, worker: str, address: str) -> None:
        """Read the endpoints' YAML (raises OnboardingError); call ``start`` to follow the desired state."""
        self._stores, self.worker, self._address = stores, worker, address
        self._served: dict[str, Served] = {}
        self._refused: dict[str, int] = {}
        self._yaml_seen: tuple[tuple[str, int], ...] = ()
        self._synced_at: float | None = None
        self._beaten_at: float | None = None
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._read_yaml()

    def start(self) -> None:
        """Say that this worker lives, bring it to the desired state once, then follow it in the background."""
        self._beat()
        self._follow("heartbeat", self._beat, HEARTBEAT_SECONDS)
        self._sync()  # loading may take longer than a worker without a heartbeat counts as alive
        self._follow("sync", self._sync, POLL_SECONDS)

    def stop(self) -> None:
        """End the threads and take this worker off the list."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5)
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

    def _follow(self, name: str, step: Callable[[], None], pause: float) -> None:
        thread = threading.Thread(target=self._repeat, args=(step, pause), name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _repeat(self, step: Callable[[], None], pause: float) -> None:
        while not self._stop.wait(pause):
            try:
                step()
            except Exception:  # noqa: BLE001 - a thread that ends would stop following the desired state
                _LOG.exception("%s failed; it is tried again", step.__name__.strip("_"))

    def _beat(self) -> None:
        self._stores.deployments.heartbeat(self.worker, self._address, self._stores.now())
        self._beaten_at = time.time()

    def _sync(self) -> None:
        self._read_yaml()
        for state in self._stores.deployments.all_desired():
            served = self._served.get(state.endpoint)
            if served is not None and state.generation > max(
                served.state.generation, self._refused.get(state.endpoint, 0)
            ):
                self._take_over(served, state)
        self._synced_at = time.time()

    def _take_over(self, served: Served, state: DesiredState) -> None:
        """Load what the state asks for, swap, acknowledge; on failure keep serving what was and say why."""
        name, error = state.endpoint, None
        try:
            loaded = {v.version: self._load(served, v.version) for v in state.variants}
        except ModelOpsError as failure:
            error = str(failure)
            self._refused[name] = state.generation
            _LOG.error("endpoint %s stays at generation %d: %s", name, served.state.generation, error)
        else:
            resident = dict(list({**served.loaded, **loaded}.items())[-RESIDENT:])
            self._served[name] = Served(served.spec, state, resident | loaded, served.live)
        self._stores.deployments.acknowledge(self.worker, name, state.generation, error, self._stores.now())
        if error is None:
            self._keep_previous(self._served[name])

    def _load(self, served: Served, version: str) -> Loaded:
        """Return the version from memory, or load it and warm it up with its own kind of rows."""
        if version in served.loaded:
            return served.loaded[version]
        found = required_version(self._stores.deployments, served.spec.model_name, version)
        predict = load_model(found.artifact_uri, allow_pickle=served.spec.allow_pickle)
        _warm_up(predict, found)
        return Loaded(found, predict)

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
    return (old.model_name, old.allow_pickle) == (new.model_name, new.allow_pickle)


def _warm_up(predict: Callable[[Any], Any], version: ModelVersion) -> None:
    """Predict once on one of the model's own example rows; what fails here would fail every request."""
    from modelops_pipelines.gateway.frames import example_of

    try:
        example = example_of(Path(version.artifact_uri))
        if example is not None:
            predict(example)
    except Exception as error:  # a model's own code may raise anything
        raise ModelError(
            f"Version {version.version} of {version.model_name!r} fails on its own input example "
            f"({type(error).__name__})",
            "Log a version that answers its example",
        ) from error
