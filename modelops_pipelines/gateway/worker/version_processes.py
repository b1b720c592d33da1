"""The processes of this worker's versions: which version has one, and since when nobody needs it."""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.gateway.model_runtime.source import Source
from modelops_pipelines.gateway.version_process.answering import Order
from modelops_pipelines.gateway.version_process.launcher import Launcher
from modelops_pipelines.gateway.version_process.version_process import Ended, VersionProcess, prove_apart
from modelops_pipelines.gateway.worker.crash_book import CrashBook
from modelops_pipelines.gateway.worker.kept_proofs import KeptProofs
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.operations.model_runtime.loaded_model import Model
from modelops_pipelines.operations.model_runtime.loading import load_proven
from modelops_pipelines.operations.model_runtime.prediction_paths import PredictionPath
from modelops_pipelines.store.registry.model_loader import needs_own_process
from modelops_pipelines.store.state.release.model_versions import ModelVersion

CHECK_SECONDS = 0.25
_GRACE_SECONDS = 1.0


@dataclass
class _Kept:
    """A version's process; ``unused_since`` is None while an endpoint has it loaded (monotonic seconds)."""

    process: VersionProcess
    unused_since: float | None = None


@dataclass(frozen=True)
class Loaded:
    """A loaded version, where it is loaded from the next time, and its record with what its model says of it."""

    model: Model
    source: Source
    learned: ModelVersion


class VersionProcesses:
    """Loads versions: scikit-learn's data in the worker, all else in a process for each endpoint and version."""

    def __init__(self, crashes: CrashBook, worker: str, proofs: KeptProofs) -> None:
        """Record crashes in this book, and what versions show here; no process starts before it is needed."""
        self._crashes, self._worker, self._proofs = crashes, worker, proofs
        self._launcher = Launcher()
        self._kept: list[_Kept] = []
        self._checked_at = time.monotonic()

    def load(self, source: Source, spec: EndpointSpec) -> Loaded:
        """Load a version; raises ModelError.

        Without ``has_served`` of its source it is refused where it does not prove itself, with ``strict`` where the
        sources of its classes differ.

        Data is loaded and probed in a process for this purpose first: native code that crashes on it does not crash
        here, where it would again and again. What has proved itself before is not tried again, unless it is deployed.
        """
        version = source.version
        is_data = not needs_own_process(version, spec)
        must_prove = source.strict or not source.has_served
        known = source.proven or (None if must_prove else self._proofs.take(version, spec))
        order = Order(
            self._worker,
            version,
            spec,
            known,
            strict=source.strict,
            has_served=source.has_served,
            to_stay=not is_data,
        )
        if is_data:
            proven = known or prove_apart(order, self._launcher)
            model = load_proven(version, spec, proven, data_only=True)
        else:
            process = VersionProcess(order, self._launcher, self._report)
            self._kept.append(_Kept(process))
            proven = process.proven
            model = proven.model(version, spec, process.path)
        if proven is not source.proven:
            self._proofs.keep(version, spec, proven)
        return Loaded(model, replace(source, proven=proven, strict=False, has_served=True), proven.learned(version))

    def end(self, path: PredictionPath) -> None:
        """End the process that answers by this path, at once, if one does; the caller knows that nobody asks it."""
        for kept in list(self._kept):
            if kept.process.path is path:
                kept.process.close()
                with suppress(ValueError):  # another thread has removed it
                    self._kept.remove(kept)

    def check(self) -> None:
        """Kill what hangs, and end what no endpoint has needed for longer than a request may take."""
        now = time.monotonic()
        late = now - self._checked_at - CHECK_SECONDS
        self._checked_at = now
        for kept in list(self._kept):
            kept.process.check(late if late > CHECK_SECONDS else 0.0)
            unused = kept.unused_since
            if unused is not None and now - unused > kept.process.deadline + _GRACE_SECONDS:
                self.end(kept.process.path)

    def keep(self, endpoints: Iterable[ServedEndpoint]) -> None:
        """Take note of what the endpoints have loaded, and of their deadlines and trust; called after each load."""
        if not self._kept:
            return
        used = {id(batcher.model.path): served.spec for served in endpoints for batcher in served.loaded.values()}
        for kept in list(self._kept):
            spec = used.get(id(kept.process.path))
            if spec is not None:
                kept.unused_since = None
                kept.process.deadline = spec.limits.deadline.total_seconds()
                kept.process.trust(spec.trust)
            elif kept.unused_since is None:
                kept.unused_since = time.monotonic()

    def _report(self, process: VersionProcess, ended: Ended) -> None:
        self._crashes.record(process, self._launcher, ended)

    def close(self) -> None:
        """End all processes."""
        for kept in self._kept:
            kept.process.close()
        self._launcher.close()
