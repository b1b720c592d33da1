"""One YAML file defines one endpoint's assets and checks; ``shared_definitions`` builds what all endpoints share."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import dagster as dg
from pydantic import BaseModel, ConfigDict

from modelops_pipelines.assets.alerts import alerts_spec
from modelops_pipelines.assets.capture import feedback_for, inference_log_for, labels_for
from modelops_pipelines.assets.drift import data_quality_for, drift_for, drift_report_for, profiles_for
from modelops_pipelines.assets.explanations import attribution_drift_for, explaining_of
from modelops_pipelines.assets.feedback import feedback_training_rows_for
from modelops_pipelines.assets.improve import candidate_for, evaluation_for, training_set_for
from modelops_pipelines.assets.key_usage import key_usage_for
from modelops_pipelines.assets.labels import imported_labels_for
from modelops_pipelines.assets.metrics import (
    custom_metrics_for,
    estimated_quality_for,
    quality_metrics_for,
    service_metrics_for,
)
from modelops_pipelines.assets.monitoring import MonitoredTable, monitoring_of
from modelops_pipelines.assets.review import review_queue_for
from modelops_pipelines.assets.shadow import shadow_log_for
from modelops_pipelines.components.code_location import RESOURCE, SHARED, EndpointComponent, Read, file_of, location_of
from modelops_pipelines.components.scaffold import EndpointScaffolder
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
from modelops_pipelines.operations.endpoints.yaml.schema import attributes_schema
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.alerts import alerts_sensor
from modelops_pipelines.sensors.canary import trials_sensor
from modelops_pipelines.sensors.explanations import explanations_sensor
from modelops_pipelines.sensors.hourly_schedule import cadence_schedule
from modelops_pipelines.sensors.lost_runs import lost_runs_sensor
from modelops_pipelines.sensors.new_data import new_data_sensor
from modelops_pipelines.sensors.notifications import notifications_sensor
from modelops_pipelines.sensors.promotion import promotion_sensor
from modelops_pipelines.sensors.retraining import retraining_sensor
from modelops_pipelines.sensors.review_schedule import review_schedule
from modelops_pipelines.sensors.shadow import shadow_sensor
from modelops_pipelines.store.settings import load_settings

_LOG = logging.getLogger("modelops")
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_]")
Factory = Callable[[EndpointSpec], dg.AssetsDefinition]
TableFactory = Callable[[EndpointSpec], MonitoredTable]
_CAPTURED: tuple[TableFactory, ...] = (inference_log_for, labels_for, feedback_for)
DERIVED_ASSETS: dict[str, TableFactory] = {
    "service_metrics": service_metrics_for,
    "profiles": profiles_for,
    "drift": drift_for,
    "data_quality": data_quality_for,
    "quality_metrics": quality_metrics_for,
    "estimated_quality": estimated_quality_for,
    "custom_metrics": custom_metrics_for,
    "key_usage": key_usage_for,
    "attribution_drift": attribution_drift_for,
}
"""The asset of each derived table; ``core.tables.derivations`` declares which of them an endpoint has."""
_ON_DEMAND: tuple[Factory, ...] = (drift_report_for, shadow_log_for)
_EXPLAINED: tuple[Factory, ...] = (explaining_of,)
_REVIEWED: tuple[Factory, ...] = (review_queue_for,)
_RETRAINING: tuple[Factory, ...] = (feedback_training_rows_for, training_set_for, candidate_for, evaluation_for)
RESOURCES = {RESOURCE: ProjectResource()}  # one object: Dagster refuses to merge different resources of one name


class Attributes(dg.Model):
    """Accepts any attributes: the project's own validation checks them and reports file, line and remedy.

    Its JSON schema is what that validation reads, for editors and ``dg``.
    """

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: Any, _handler: Any) -> dict[str, Any]:
        """Return the schema of what an endpoint's attributes may be."""
        return {"title": "An endpoint's attributes", **attributes_schema()}


@dg.scaffold_with(EndpointScaffolder)
class ModelEndpoint(EndpointComponent):
    """A model in production: its log, metrics, drift, quality, alerts and retraining as assets, of one YAML file.

    The first one of a project brings the sensors, jobs and schedules that all of them share. The values pass the same
    validation as with ``modelops endpoint validate``; docs/endpoints.md lists the attributes.
    """

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        """Keep the YAML's attributes."""
        self.attributes = attributes

    @classmethod
    def get_model_cls(cls) -> type[Attributes]:
        """Return the model that Dagster parses the attributes with."""
        return Attributes

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """Return what a list of components says of this one."""
        produces = ["asset", "asset_check", "sensor", "schedule", "job", "resource"]
        return dg.ComponentTypeSpec(description=cls.__doc__, tags=["mlops", "mlflow"], produces=produces)

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Return the component with the YAML's attributes, templates resolved."""
        values = attributes.model_dump(exclude_unset=True) if attributes else {}
        return cls(context.resolution_context.at_path("attributes").resolve_value(values))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the endpoint's assets with their checks, and once in a project what all its endpoints share.

        Of a component with faults, they are those of the configuration that it served with last, beside an asset that
        tells the faults: no other component is harmed. A component that is built without a project brings its assets
        and their resource alone.
        """
        location = location_of(context)
        if location is None:
            own = _definitions(self.read(context.path, None))
            return dg.Definitions.merge(*own, dg.Definitions(resources=RESOURCES))
        shared = location.bring(context, _shared, RESOURCES[RESOURCE])
        own = _definitions(location.read(self, context))
        return dg.Definitions.merge(*own, *([shared] if shared else []), dg.Definitions(resources=location.resources))

    def read(self, path: Path, root: Path | None) -> Read:
        """Return what is in force of the component at a path, with the faults of its file."""
        file = file_of(path)
        try:
            return Read(self.spec(str(file)))
        except OnboardingError as error:
            fault = self._fault(file, _with_lines(file, error), root)
        return Read(fault.spec, fault)

    def _fault(self, file: Path, error: OnboardingError, root: Path | None) -> Faulty:
        name = str(self.attributes.get("name"))
        if not is_name(name):
            return Faulty(None, file, error.faults)
        kept = kept_of(load_settings(root), name)
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


def _definitions(read: Read) -> list[dg.Definitions]:
    return [
        *([fault_definitions(read.fault)] if read.fault else []),
        *([endpoint_definitions(read.spec)] if read.spec else []),
    ]


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
    imported = (imported_labels_for,) if spec.label_sources else ()
    derived = [one.name for one in spec.derivations if not one.only_explained]  # explanations are a step of their own
    tables = (*_CAPTURED, *imported, *(DERIVED_ASSETS[name] for name in derived))
    monitoring = monitoring_of(spec, [table(spec) for table in tables])
    others = (
        *(() if spec.is_elsewhere else _ON_DEMAND),
        *(_EXPLAINED if spec.explain is not None else ()),
        *(_REVIEWED if spec.review.reasons else ()),
        *(_RETRAINING if spec.trainer else ()),
    )
    return dg.Definitions(assets=[monitoring, *(factory(spec) for factory in others)])


def shared_definitions(specs: Sequence[EndpointSpec]) -> dg.Definitions:
    """Return the asset, jobs, sensors, schedules, resources and the executor that all endpoints share.

    For who makes ``Definitions`` by hand: in a project of components the first endpoint brings them.
    """
    own = dg.Definitions(resources=RESOURCES, executor=dg.in_process_executor)
    return dg.Definitions.merge(_shared(specs), own)


def _shared(specs: Sequence[EndpointSpec]) -> dg.Definitions:
    """Return what endpoints share, without a resource and an executor, which belong to the whole code location."""
    jobs = _jobs(specs)
    return dg.Definitions(
        assets=[alerts_spec()],
        jobs=list(jobs.values()),
        sensors=[
            new_data_sensor(specs),
            alerts_sensor(specs),
            retraining_sensor(specs),
            promotion_sensor(specs, jobs["promote"]),
            trials_sensor(specs, jobs["trial"]),
            shadow_sensor(specs),
            *(
                [explanations_sensor(specs)] if any(spec.explain is not None for spec in specs) else []
            ),  # a tick costs CPU
            lost_runs_sensor(),
            notifications_sensor(),
        ],
        schedules=[
            cadence_schedule(specs),
            review_schedule(specs),
            reconcile_schedule(jobs["reconcile"]),
            *maintenance_schedules(),
        ],
        metadata={SHARED: len(specs)},
    )


def shared_jobs(specs: Sequence[EndpointSpec]) -> dg.Definitions:
    """Return what a run needs of ``shared_definitions``: without sensors and schedules."""
    return dg.Definitions(jobs=list(_jobs(specs).values()), resources=RESOURCES, executor=dg.in_process_executor)


def _jobs(specs: Sequence[EndpointSpec]) -> dict[str, dg.JobDefinition]:
    names = [spec.name for spec in specs]
    more = (retrain_job(names), evaluate_job(names), trial_job(names), reconcile_job(specs), testing_job(names))
    return {job.name: job for job in (*release_jobs(names), *more, maintenance_job)}
