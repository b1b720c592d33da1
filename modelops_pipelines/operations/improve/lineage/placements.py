"""What versions serve now and what changed it, on every endpoint of a model."""

from collections.abc import Callable, Sequence

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.improve.lineage.answers import Change, Placed
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.store.stores import Stores


def endpoints_of_model(stores: Stores, spec: EndpointSpec, sees: Callable[[str], bool] | None = None) -> list[str]:
    """Return the endpoints of a model: the one asked for first; of the others those that may be shown (None: all)."""
    others = [one.name for one in configured(stores.settings) if one.model_name == spec.model_name]
    return [spec.name, *sorted(name for name in others if name != spec.name and (sees is None or sees(name)))]


def live_versions(stores: Stores, endpoints: Sequence[str]) -> list[Placed]:
    """Return the versions that these endpoints serve, try or shadow now."""
    states = {state.endpoint: state for state in stores.deployments.all_desired()}
    found = [states[name] for name in endpoints if name in states]
    return [Placed(s.endpoint, v.version, v.role, v.share, s.status) for s in found for v in s.variants]


def changes_of(stores: Stores, endpoints: Sequence[str]) -> list[Change]:
    """Return what changed on these endpoints, oldest first."""
    return [_change(event) for name in endpoints for event in stores.deployments.events(name)]


def _change(event: Event) -> Change:
    parts = (event.number, event.endpoint, event.at, event.actor, event.action, event.from_version, event.to_version)
    return Change(*parts, reason=event.reason, share=event.share)
