"""The sensor of explanations: at most once a minute each endpoint, after monitoring.

It has sampled rows of the log explained, and the reference rows of endpoints taken that explain on request only.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from modelops_pipelines.core.endpoints.explain import why_no_reference
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.core.tables.explanations import ATTRIBUTION_DRIFT, EXPLANATIONS
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.common import CALM_TICK_SECONDS, LogReader
from modelops_pipelines.store.stores import Stores

EXPLANATION_RUNS = LogReader(
    "explanations", "modelops/explanations", (EXPLANATIONS.name, ATTRIBUTION_DRIFT.name), "explained endpoint"
)


def explanations_sensor(specs: Sequence[EndpointSpec]) -> dg.SensorDefinition:
    """Return the sensor of every endpoint whose YAML has explanations."""
    explained = [spec for spec in specs if spec.explain is not None]
    on_request = {spec.name: (EXPLANATIONS.name,) for spec in explained if not spec.is_explained}

    @dg.sensor(
        name="explanations",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=CALM_TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Explains sampled rows of the log: one endpoint at a time, each at most once a minute.",
    )
    def explanations(
        context: dg.SensorEvaluationContext, modelops_project: ProjectResource
    ) -> dg.SensorResult | dg.SkipReason:
        if not explained:
            return dg.SkipReason(f"0 of {len(specs)} endpoints explain their predictions")
        with modelops_project.stores() as stores:
            marks = dict(_marks(stores, explained))
            now = int(stores.now().timestamp())
        return EXPLANATION_RUNS.next_run(context, marks, now, on_request)

    return explanations


def _marks(stores: Stores, specs: Sequence[EndpointSpec]) -> Iterator[tuple[str, str]]:
    """Yield each endpoint that has something to do with a mark, which changes with the version and with new rows."""
    states = {state.endpoint: state for state in stores.deployments.all_desired()}
    for spec in specs:
        state = states.get(spec.name)
        if state is None or not state.answering:
            continue
        if spec.is_explained or _is_unsettled(stores, spec, state):
            yield spec.name, f"{state.generation} {stores.ingest_progress.of(spec.name).predictions}"


def _is_unsettled(stores: Stores, spec: EndpointSpec, state: DesiredState) -> bool:
    """Return whether a version that answers may get reference rows and has none yet, or has some and should not."""
    answering = [(spec.model_name, one.version) for one in state.answering]
    for one in stores.deployments.find_versions(answering).values():
        has_some = stores.reference_rows.changed_at(spec.name, spec.model_name, one.version) > 0
        redacted = spec.capture.redacted_among(one.inputs)
        if has_some == (why_no_reference(one.version, one.inputs, redacted) is not None):
            return True
    return False
