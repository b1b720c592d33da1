"""The endpoints' configurations in one worker: new ones are taken over, the last that served is kept.

What was live stays live until a new configuration has loaded and proved itself. A fault of one endpoint's file, or a
configuration that cannot load, is that endpoint's affair alone.
"""

import logging
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from pathlib import Path

from modelops_pipelines.core.endpoints.spec import EndpointSpec, without_revoked
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.gateway.worker.configuration.reconfigurations import (
    NAMING_FIELDS,
    Load,
    Reconfigurations,
    keep_in_force,
    needs_loading_again,
    same,
)
from modelops_pipelines.gateway.worker.configuration.yaml_follower import YamlFollower
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.operations.endpoints.configurations import describe_refusal
from modelops_pipelines.operations.endpoints.kept import forget, kept_of
from modelops_pipelines.store.settings import Settings

Rename = Callable[[ServedEndpoint, EndpointSpec], ServedEndpoint]
_LOG = logging.getLogger("modelops.gateway")


class EndpointConfigurations:
    """Keeps the worker's endpoints as their files say, as far as they can be."""

    def __init__(
        self, settings: Settings, served: MutableMapping[str, ServedEndpoint], load: Load, rename: Rename
    ) -> None:
        """Change the worker's endpoints, ``served``, in place.

        ``rename`` names an endpoint's answers anew; it raises ModelError where its versions and the spec differ.
        """
        self._settings, self._served, self._rename = settings, served, rename
        self._yaml = YamlFollower(settings)
        self._reconfigurations = Reconfigurations(settings, load)
        self._kept: dict[str, tuple[EndpointSpec, str | None, Path | None]] = {}
        self._told: dict[str, str] = {}

    def read(self) -> list[EndpointSpec]:
        """Take over what has changed, and return the new endpoints with the configuration to begin with.

        That is the one that served last, while their file's own has to be tried first. Raises OnboardingError when the
        endpoints' folder does not exist at the first call.
        """
        found = self._yaml.read()
        if found is not None:
            self._tell(found.problems)
        for name in self._yaml.removed(list(self._served)):
            del self._served[name]
            self._reconfigurations.drop(name)
            self._kept.pop(name, None)
            forget(self._settings, name)
        return [begun for spec in (found.specs if found else ()) if (begun := self._take(spec)) is not None]

    def _tell(self, problems: dict[str, str]) -> None:
        """Log each problem once, until it is another one."""
        for name, problem in problems.items():
            if self._told.get(name) != problem:
                _LOG.warning("Endpoint %s: %s", name, problem)
        self._told = problems

    def problems(self) -> dict[str, str]:
        """Return the endpoints, or files, whose newest configuration is not in force, with the reason."""
        refused = self._reconfigurations.problems()
        return self._yaml.found.problems | {name: describe_refusal(why) for name, why in refused.items()}

    def refusal(self, served: ServedEndpoint) -> str | None:
        """Return why the endpoint's newest configuration was refused; None when it was not, or is the one given."""
        return self._reconfigurations.refusal(served)

    def reconfigured(self, served: ServedEndpoint, state: DesiredState) -> ServedEndpoint | None:
        """Return the endpoint with a new configuration, the state's versions loaded with it; None unless one is due."""
        return self._reconfigurations.attempt(served, state)

    def keep(self, served: ServedEndpoint, state: DesiredState) -> None:
        """Keep the configuration that the endpoint serves with, for when its file gets a fault."""
        name, path = served.spec.name, self._yaml.found.paths.get(served.spec.name)
        serves = (bool(served.state.variants) or not state.variants) and not served.is_deploying
        in_force = (served.spec, served.unproven, path)
        if path is None or not serves or self._reconfigurations.has(name) or self._kept.get(name) == in_force:
            return
        known = None if served.is_proven else kept_of(self._settings, name)
        keep_in_force(self._settings, served.spec, path, known.unproven if known else served.unproven)
        self._kept[name] = in_force

    def _take(self, spec: EndpointSpec) -> EndpointSpec | None:
        """Take over one configuration; return the one to begin with where the endpoint is new."""
        served = self._served.get(spec.name)
        kept = kept_of(self._settings, spec.name) if served is None else None
        current = served.spec if served else (kept.spec if kept and not kept.has(spec) else None) or spec
        if needs_loading_again(current, spec, served):
            self._reconfigurations.propose(spec)
            current = without_revoked(current, spec)
            if served is None:
                return current
            if current != served.spec:
                self._served[spec.name] = replace(served, spec=current)
            return None
        if served is None:
            self._reconfigurations.drop(spec.name)
            return spec
        try:
            if not same(current, spec, NAMING_FIELDS):
                changed = self._rename(served, spec)
            else:  # where nothing changed, the cache stays
                changed = served if served.spec == spec else replace(served, spec=spec)
        except ModelOpsError:  # it is refused for it when it is tried
            self._reconfigurations.propose(spec)
        else:
            self._reconfigurations.drop(spec.name)
            self._served[spec.name] = changed
        return None
