"""The sensor that delivers messages about alerts, and lineage, while no gateway does. The gateway needs no Dagster."""

import dagster as dg

from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.common import CALM_TICK_SECONDS
from modelops_pipelines.store.stores import Stores

TICK_LIMIT_SECONDS = 20.0
"""A tick waits no longer for receivers; what is not delivered by then is tried by the next one."""


def notifications_sensor() -> dg.SensorDefinition:
    """Return the sensor that delivers messages and the heartbeat when no other process does."""

    @dg.sensor(
        name="notifications",
        minimum_interval_seconds=CALM_TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Delivers messages about alerts to their channels while no gateway does.",
    )
    def notifications(modelops_project: ProjectResource) -> dg.SkipReason:
        from modelops_pipelines.operations.alerting.delivery.deliver import deliver_due
        from modelops_pipelines.operations.alerting.delivery.heartbeat import Heart

        with modelops_project.stores() as stores:
            _send_lineage(stores)
            if not deliver_due(stores, seconds=TICK_LIMIT_SECONDS):
                return dg.SkipReason("another process delivers: the gateway, or an earlier tick")
            heart = Heart(stores)
            heart.turn(stores.now())
            heart.wait(TICK_LIMIT_SECONDS)
            left = len(stores.messages.due(stores.now()))
        return dg.SkipReason(f"no gateway delivers, so this did; {left} message(s) are due and not delivered")

    return notifications


def _send_lineage(stores: Stores) -> None:
    """Send OpenLineage events while no gateway does; nothing without the setting."""
    if stores.settings.openlineage is not None:
        from modelops_pipelines.operations.improve.lineage.send_events import send_lineage

        send_lineage(stores, TICK_LIMIT_SECONDS)
