"""One YAML file defines one endpoint's assets and checks; ``shared_definitions`` builds what all endpoints share."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import dagster as dg
from pydantic import BaseModel, ConfigDict

from modelops_pipelines.assets.capture import feedback_for, inference_log_for, labels_for
from modelops_pipelines.assets.drift import data_quality_for, drift_for, drift_report_for, profiles_for
from modelops_pipelines.assets.improve import candidate_for, evaluation_for, training_set_for
from modelops_pipelines.assets.key_usage import key_usage_for
from modelops_pipelines.assets.metrics import (
    custom_metrics_for,
    estimated_quality_for,
    quality_metrics_for,
    service_metrics_for,
)
from modelops_pipelines.assets.shadow import shadow_log_for
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validate import is_name
from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.jobs.alias_sync import reconcile_job, reconcile_schedule
from modelops_pipelines.jobs.canary import trial_job
from modelops_pipelines.jobs.evaluate import evaluate_job
from modelops_pipelines.jobs.maintenance import maintenance_job, maintenance_schedules
from modelops_pipelines.jobs.releases import release_jobs
from modelops_pipelines.jobs.retrain import retrain_job
from modelops_pipelines.jobs.suites import testing_job
from modelops_pipelines.operations.endpoints.configurations import Faulty
from modelops_pipelines.operations.endpoints.kept import kept_of
from modelops_pipelines.operations.endpoints.load import endpoint_from_attributes, read_endpoint
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.alerts import alerts_sensor
from modelops_pipelines.sensors.canary import trials_sensor
from modelops_pipelines.sensors.hourly_schedule import cadence_schedule
from modelops_pipelines.sensors.lost_runs import lost_runs_sensor
from modelops_pipelines.sensors.new_data import new_data_sensor
from modelops_pipelines.sensors.promotion import promotion_sensor
from modelops_pipelines.sensors.retraining import retraining_sensor
from modelops_pipelines.sensors.shadow import shadow_sensor
from modelops_pipelines.store.settings import load_settings

_LOG = logging.getLogger("modelops")
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_]")
Factory = Callable[[EndpointSpec], dg.AssetsDefinition]
_CAPTURED: tuple[Factory, ...] = (inference_log_for, labels_for, feedback_for)
DERIVED_ASSETS: dict[str, Factory] = {
    "service_metrics": service_metrics_for,
    "profiles": profiles_for,
    "drift": drift_for,
    "data_quality": data_quality_for,
    "quality_metrics": quality_metrics_for,
    "estimated_quality": estimated_quality_for,
    "custom_metrics": custom_metrics_for,
    "key_usage": key_usage_for,
}
"""The asset of each derived table; ``core.tables.derivations`` declares which of them an endpoint has."""
_ON_DEMAND: tuple[Factory, ...] = (drift_report_for, shadow_log_for)
_RETRAINING: tuple[Factory, ...] = (training_set_for, candidate_for, evaluation_for)
RESOURCES = {"project": ProjectResource()}  # one object: Dagster refuses to merge different resources of one name


class Attributes(dg.Model):
    """Accepts any attributes: the project's own validation checks them and reports file, line and remedy."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class ModelEndpoint(dg.Component):
    """An endpoint as a Dagster component; docs/endpoints.md lists the attributes.

    The values pass the same validation as with ``modelops endpoint validate``.
    """

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        """Keep the YAML's attributes."""
        self.attributes = attributes

    @classmethod
    def get_model_cls(cls) -> type[Attributes]:
        """Return the model that Dagster parses the attributes with."""
        return Attributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Return the component with the YAML's attributes, templates resolved."""
        values = attributes.model_dump(exclude_unset=True) if attributes else {}
        return cls(context.resolution_context.at_path("attributes").resolve_value(values))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the endpoint's assets, with their checks and resource.

        Of a component with faults, they are those of the configuration that it served with last, beside an asset that
        tells the faults: no other component is harmed.
        """
        path = Path(context.path)
        file = path / "defs.yaml" if path.is_dir() else path
        resources = dg.Definitions(resources=RESOURCES)
        try:
            return dg.Definitions.merge(endpoint_definitions(self.spec(str(file))), resources)
        except OnboardingError as error:
            fault = self._fault(file, _with_lines(file, error))
        kept = [endpoint_definitions(fault.spec)] if fault.spec else []
        return dg.Definitions.merge(fault_definitions(fault), *kept, resources)

    def _fault(self, file: Path, error: OnboardingError) -> Faulty:
        name = str(self.attributes.get("name"))
        if not is_name(name):
            return Faulty(None, file, error.faults)
        kept = kept_of(load_settings(), name)
        return Faulty(name, file, error.faults, kept.spec if kept else None)

    def spec(self, file: str = "defs.yaml") -> EndpointSpec:
        """Return the checked endpoint; raises OnboardingError that names ``file``."""
        return endpoint_from_attributes(self.attributes, file)


def _with_lines(file: Path, error: OnboardingError) -> OnboardingError:
    """Return the same faults with the file's own line numbers, where it can be read."""
    try:
        read_endpoint(file)
    except OnboardingError as read:
        return read if file.is_file() else error
    return error


def fault_definitions(fault: Faulty) -> dg.Definitions:
    """Return an asset, materialised by nothing, that shows the faults of an endpoint's file in Dagster; logged too."""
    _LOG.error("Endpoint %s: %s", fault.name, fault.problem)
    shown = fault.endpoint or _NOT_IN_KEYS.sub("_", fault.path.stem) or "file"
    spec = dg.AssetSpec(
        [shown, "faulty_yaml"],
        description=f"{fault.path}: {fault.problem}",
        metadata={"file": dg.MetadataValue.path(str(fault.path)), "faults": len(fault.faults)},
    )
    return dg.Definitions(assets=[spec])


def endpoint_definitions(spec: EndpointSpec) -> dg.Definitions:
    """Return one endpoint's assets with their checks, as its task, metrics and trainer allow."""
    derived = [DERIVED_ASSETS[derivation.name] for derivation in spec.derivations]
    factories = (*_CAPTURED, *derived, *_ON_DEMAND, *(_RETRAINING if spec.trainer else ()))
    return dg.Definitions(assets=[factory(spec) for factory in factories])


def shared_definitions(specs: Sequence[EndpointSpec]) -> dg.Definitions:
    """Return the jobs, sensors, schedules, resources and the executor that all endpoints share."""
    names = [spec.name for spec in specs]
    jobs = release_jobs(names)
    promote = next(job for job in jobs if job.name == "promote")
    trial, reconcile = trial_job(names), reconcile_job(specs)
    return dg.Definitions(
        jobs=[
            *(*jobs, retrain_job(names), evaluate_job(names), trial, reconcile, testing_job(names)),
            maintenance_job,
        ],
        sensors=[
            new_data_sensor(specs),
            alerts_sensor(specs),
            retraining_sensor(specs),
            promotion_sensor(specs, promote),
            trials_sensor(specs, trial),
            shadow_sensor(specs),
            lost_runs_sensor(),
        ],
        schedules=[cadence_schedule(specs), reconcile_schedule(reconcile), *maintenance_schedules()],
        resources=RESOURCES,
        executor=dg.in_process_executor,
    )
