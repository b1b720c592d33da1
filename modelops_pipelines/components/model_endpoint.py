"""One YAML is one endpoint: its assets and checks. What spans endpoints is built once, in ``shared``."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from pydantic import ConfigDict

from modelops_pipelines.assets.learning import candidate_for, evaluation_for, training_set_for
from modelops_pipelines.assets.logs import feedback_for, inference_log_for, labels_for
from modelops_pipelines.assets.monitoring import (
    drift_for,
    drift_report_for,
    profiles_for,
    quality_metrics_for,
    service_metrics_for,
)
from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.jobs.releases import release_jobs
from modelops_pipelines.jobs.retrain import retrain_job
from modelops_pipelines.operations.onboarding import endpoint_from_attributes
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.alerts import alerts_sensor
from modelops_pipelines.sensors.cadence import cadence_schedule
from modelops_pipelines.sensors.new_data import new_data_sensor
from modelops_pipelines.sensors.promotion import promotion_sensor
from modelops_pipelines.sensors.retraining import retraining_sensor

_ASSETS = (
    inference_log_for,
    labels_for,
    feedback_for,
    service_metrics_for,
    profiles_for,
    drift_for,
    drift_report_for,
    quality_metrics_for,
)
_LEARNING = (training_set_for, candidate_for, evaluation_for)


class ModelEndpoint(dg.Component, dg.Model, dg.Resolvable):
    """An endpoint as a Dagster component; docs/endpoints.md lists the attributes.

    The values are checked by the project's own rules, the same as for ``modelops endpoint validate``.
    """

    model_config = ConfigDict(extra="allow", protected_namespaces=())
    name: str
    model_name: str
    task: str
    label: str

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the endpoint's assets and checks; raises OnboardingError."""
        return endpoint_definitions(self.spec(str(context.path)))

    def spec(self, file: str) -> EndpointSpec:
        """Return the checked endpoint; raises OnboardingError that names ``file``."""
        attributes: dict[str, Any] = self.model_dump(exclude_unset=True)
        return endpoint_from_attributes(attributes, file)


def endpoint_definitions(spec: EndpointSpec) -> dg.Definitions:
    """Return one endpoint's assets, with their checks; retraining only where there is a trainer."""
    factories = (*_ASSETS, *(_LEARNING if spec.trainer else ()))
    return dg.Definitions(assets=[factory(spec) for factory in factories])


def shared_definitions(specs: Sequence[EndpointSpec]) -> dg.Definitions:
    """Return what all endpoints share: jobs, sensors, the schedule, resources, the executor."""
    names = [spec.name for spec in specs]
    jobs = release_jobs(names)
    promote = next(job for job in jobs if job.name == "promote")
    return dg.Definitions(
        jobs=[*jobs, retrain_job(names)],
        sensors=[
            new_data_sensor(specs),
            alerts_sensor(specs),
            retraining_sensor(specs),
            promotion_sensor(specs, promote),
        ],
        schedules=[cadence_schedule(specs)],
        resources={"project": ProjectResource()},
        executor=dg.in_process_executor,
    )
