"""New configurations of endpoints that need their versions loaded again: tried beside what is live, then swapped in.

What was live stays live until the new configuration has loaded and proved itself. One that cannot is refused: the one
before stays in force, and the log, ``/health`` and ``modelops endpoint list`` say why.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.gateway.worker.class_names import needs_loading
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.operations.endpoints.kept import keep, keep_refusal
from modelops_pipelines.operations.release.servable import require_same_model
from modelops_pipelines.store.settings import Settings

RETRY_SECONDS, LONGEST_RETRY = 10.0, 600.0
"""A refused configuration is tried again after these seconds, then after twice as many: each try loads its versions."""
LOADING_FIELDS = ("model_name", "task", "allow_pickle", "accept_pickles", "trust", "row_wise", "runtime", "output")
"""What a loaded model is valid for."""
NAMING_FIELDS = ("positive_label", "classes")
"""What names a loaded model's answers; a change loads nothing again."""
_LOG = logging.getLogger("modelops.gateway")


class Load(Protocol):
    """Loads a version for an endpoint, as good as the batcher that it replaces; raises ModelOpsError."""

    def __call__(self, served: ServedEndpoint, version: str, replaced: Batcher | None, *, anew: bool) -> Batcher:
        """With ``anew`` a version may be no worse than what it replaces, or than one that is deployed."""
        ...


@dataclass
class _Proposed:
    spec: EndpointSpec
    problem: str | None = None
    pause: float = RETRY_SECONDS
    tried_at: float | None = None
    tried_with: int = 0

    def is_due(self, now: float, generation: int) -> bool:
        """Return whether it may be tried now (in monotonic seconds), while this generation is to be served."""
        return self.tried_at is None or generation != self.tried_with or now - self.tried_at >= self.pause


class Reconfigurations:
    """The new configurations that are not in force yet, and why those that were tried were refused."""

    def __init__(self, settings: Settings, load: Load) -> None:
        """Nothing is proposed yet; ``load`` loads what is tried."""
        self._settings, self._load = settings, load
        self._proposed: dict[str, _Proposed] = {}

    def propose(self, spec: EndpointSpec) -> None:
        """Have the endpoint try this configuration; the same one again is not tried earlier for it."""
        known = self._proposed.get(spec.name)
        if known is None or known.spec != spec:
            self._proposed[spec.name] = _Proposed(spec)

    def drop(self, endpoint: str) -> None:
        """Forget what is proposed: the endpoint's file names another configuration, or none."""
        self._proposed.pop(endpoint, None)

    def problems(self) -> dict[str, str]:
        """Return the endpoints whose newest configuration was refused, with the reason."""
        return {name: proposed.problem for name, proposed in self._proposed.items() if proposed.problem}

    def refusal(self, served: ServedEndpoint) -> str | None:
        """Return why the newest configuration was refused; None when it was not, or is the one to serve with."""
        proposed = self._proposed.get(served.spec.name)
        return None if proposed is None or proposed.spec == served.spec else proposed.problem

    def has(self, endpoint: str) -> bool:
        """Return whether a configuration is proposed that is not in force."""
        return endpoint in self._proposed

    def attempt(self, served: ServedEndpoint, state: DesiredState) -> ServedEndpoint | None:
        """Return the endpoint with its new configuration and its versions loaded.

        None without one, when it is refused, and for some time after. Its versions are those of ``state``: a version
        that is deployed now may need the new configuration, where the one before it cannot be served with that.
        """
        proposed, now = self._proposed.get(served.spec.name), time.monotonic()
        if proposed is None or not proposed.is_due(now, state.generation):
            return None
        proposed.pause = RETRY_SECONDS if proposed.tried_at is None else min(LONGEST_RETRY, 2 * proposed.pause)
        proposed.tried_at, proposed.tried_with = now, state.generation
        candidate = replace(served, spec=proposed.spec, loaded={})
        names = [variant.version for variant in state.answering]
        try:
            require_same_model(served.spec, proposed.spec, served.state if served.state.generation else state)
            loaded = {name: self._load(candidate, name, served.loaded.get(name), anew=True) for name in names}
        except ModelOpsError as error:
            self._refuse(proposed, str(error))
            return None
        self.drop(served.spec.name)
        live = {variant.version: served.loaded[variant.version] for variant in served.state.answering}
        return replace(candidate, loaded=live | loaded)

    def _refuse(self, proposed: _Proposed, why: str) -> None:
        name = proposed.spec.name
        if proposed.problem != why:
            _LOG.error(
                "Endpoint %s keeps its configuration; the new one was refused, next attempt in %g s: %s",
                name,
                proposed.pause,
                why,
            )
            with _tolerated(name):
                keep_refusal(self._settings, proposed.spec, why)
        proposed.problem = why


def needs_loading_again(current: EndpointSpec, spec: EndpointSpec, served: ServedEndpoint | None) -> bool:
    """Return whether an endpoint's versions have to be loaded again when ``spec`` replaces its configuration."""
    if not same(current, spec, LOADING_FIELDS):
        return True
    return not same(current, spec, NAMING_FIELDS) and (served is None or needs_loading(served))


def same(old: EndpointSpec, new: EndpointSpec, names: Sequence[str]) -> bool:
    """Return whether both configurations have the same values for these keys."""
    return all(getattr(old, name) == getattr(new, name) for name in names)


def keep_in_force(settings: Settings, spec: EndpointSpec, path: Path, unproven: str | None) -> None:
    """Keep the configuration that is in force; while that cannot be written, the one before is kept, and told."""
    with _tolerated(spec.name):
        keep(settings, spec, path, unproven)


@contextmanager
def _tolerated(endpoint: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _LOG.warning("Endpoint %s: its configuration could not be kept (%s)", endpoint, error.strerror)
