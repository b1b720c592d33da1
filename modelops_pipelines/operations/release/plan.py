"""The plan of a change: what an endpoint is to serve next, and the event that its history records."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from modelops_pipelines.core.release.desired_state import WHOLE, DesiredState
from modelops_pipelines.core.release.event_log import Event, describe_state
from modelops_pipelines.core.windows import text
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class Plan:
    """What the endpoint is to serve next, and what the history records.

    ``is_deployment`` is False when the change deploys no version, so that there is nothing to revert. ``note`` says in
    words what a person should know before the change and after it.
    """

    action: str
    after: DesiredState
    to_version: str
    share: int = WHOLE
    evidence: Mapping[str, object] = field(default_factory=dict)
    is_deployment: bool = True
    note: str = ""


def event_of(stores: Stores, before: DesiredState, plan: Plan, actor: str, reason: str) -> Event:
    """Return the change as an event. Its evidence holds what is live from then on, and the watermark."""
    watermark = stores.ingest_progress.of(before.endpoint).watermark
    reached = None if watermark is None else text(watermark)
    return Event(
        number=0,
        endpoint=before.endpoint,
        at=stores.now(),
        actor=actor,
        action=plan.action,
        from_version=before.champion,
        to_version=plan.to_version,
        generation=plan.after.generation,
        reason=reason,
        evidence={**plan.evidence, "watermark": reached, "live": describe_state(plan.after)},
    )
