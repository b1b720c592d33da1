"""Describes an endpoint: its variants, the champion's signature, gate verdict and quality, and past champions."""

from collections.abc import Callable, Sequence
from typing import Any

from modelops_pipelines.core.endpoints.spec import ELSEWHERE
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.models.classes import missing_classes
from modelops_pipelines.core.release.deployment_states import FAILED
from modelops_pipelines.core.release.desired_state import ACTIVE
from modelops_pipelines.core.release.event_log import champion_periods
from modelops_pipelines.core.tables.feature_columns import feature_of
from modelops_pipelines.core.tables.lake import QUALITY_METRICS, WHOLE
from modelops_pipelines.core.windows import text
from modelops_pipelines.gateway.access.keyring import Caller
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.endpoints.served_here import require_served_here
from modelops_pipelines.operations.model_runtime.prediction_paths import ABSENT, PredictionPath
from modelops_pipelines.operations.models.example_request import example_body
from modelops_pipelines.operations.release.endpoint_status import NEW
from modelops_pipelines.operations.versions.set_visibility import is_visible, visible_sets
from modelops_pipelines.operations.versions.signed_versions import how_trusted
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

CHAMPIONS = 20
_HIDDEN = {"date", "segment", "segment_value", "score_counts"}


def endpoint_entries(serving: Serving, stores: Stores, caller: Caller) -> list[dict[str, Any]]:
    """Return the entries of the endpoints that the caller sees in the list of endpoints."""
    problems = serving.configurations.problems()
    mine = [served for served in serving.endpoints() if caller.sees(served.spec.name)]
    shown = _visible_sets(stores, mine, caller.sees_some)
    return [
        _describe(served, serving.failure(served.spec.name), problems.get(served.spec.name), shown) for served in mine
    ]


def _visible_sets(
    stores: Stores, endpoints: Sequence[ServedEndpoint], sees: Callable[[str], bool] | None
) -> frozenset[str] | None:
    """Return which champions' training sets may be shown (None: all); none while the state is down.

    A caller who sees all endpoints asks the state nothing.
    """
    found = (served.version_of(served.state.champion) for served in endpoints)
    try:
        return visible_sets(stores, [one.training_set for one in found if one], sees)
    except ModelOpsError:
        return frozenset()


def _describe(
    served: ServedEndpoint, failure: str | None, refused: str | None, shown: frozenset[str] | None
) -> dict[str, Any]:
    """Return an endpoint's entry in the list of endpoints.

    ``failure`` is why its version cannot be served, ``refused`` why its newest configuration is not in force, ``shown``
    the training sets that may be (None: all).
    """
    champion = served.version_of(served.state.champion)
    return {
        "name": served.spec.name,
        "model_name": None if served.spec.is_elsewhere else served.spec.model_name,
        "served": served.spec.served,
        "task": served.spec.task,
        "description": served.spec.description,
        "generation": served.state.generation,
        "status": _status(served, failure),
        "problem": failure or refused,
        "variants": [vars(variant) for variant in served.state.variants],
        "resident": served.is_resident,
        "inputs": {feature_of(name): kind for name, kind in champion.inputs.items()} if champion else None,
        "classes": champion.classes if champion else list(served.spec.classes) or None,
        "to_add": _to_add(served, champion) if champion else None,
        "training_set": champion.training_set if champion and is_visible(champion.training_set, shown) else None,
        "registered_at": text(champion.registered_at) if champion else None,
    }


def _to_add(served: ServedEndpoint, champion: ModelVersion) -> str | None:
    """Return what to add so that quality can be measured, or None when nothing is missing."""
    fault = served.loaded[champion.version].model.classes_fault
    return fault or missing_classes(served.spec.task, champion.version, champion.classes, champion.output)


def details(serving: Serving, stores: Stores, endpoint: str, caller: Caller) -> dict[str, Any]:
    """Return an endpoint with its champion's details; a field is null while the store that it comes from is down.

    Raises UnknownError.
    """
    served, problems = serving.endpoint(endpoint), serving.configurations.problems()
    champion = served.version_of(served.state.champion)
    shown = _visible_sets(stores, [served], caller.sees_some)
    return {
        **_describe(served, serving.failure(endpoint), problems.get(endpoint), shown),
        "version": champion.version if champion else None,
        "output": champion.output if champion else None,
        "trust": how_trusted(champion, served.spec) if champion else None,
        "way": _way(served.loaded[champion.version].model.path) if champion else None,
        "evaluation": _evaluation(stores, served.spec.name, champion) if champion else None,
        "quality": _quality(stores, served, champion) if champion else None,
        "champions": _champions(stores, served.spec.name),
    }


def _way(path: PredictionPath) -> dict[str, Any] | None:
    """Return how a version predicts; None until it was loaded for the first time."""
    return None if path is ABSENT else path.describe()


def example(served: ServedEndpoint, row: int) -> dict[str, Any]:
    """Return a request body with a row of the champion's example; raises NotReadyError when no champion is loaded."""
    champion = served.version_of(served.state.champion)
    require_served_here(served.spec, "a request")
    if champion is None:
        raise served.unserved_error()
    return example_body(champion, row)


def _status(served: ServedEndpoint, failure: str | None) -> str:
    """Return the endpoint's status: failed when its version cannot be served, new when nothing is deployed on it."""
    if failure is not None:
        return FAILED
    if served.spec.is_elsewhere:
        return ELSEWHERE
    return NEW if served.state.status == ACTIVE and not served.state.variants else served.state.status


def _champions(stores: Stores, endpoint: str) -> list[dict[str, Any]] | None:
    """Return the last CHAMPIONS champions, newest first; None while the state database is down."""
    try:
        return [vars(reign) for reign in champion_periods(stores.deployments.events(endpoint))[: -CHAMPIONS - 1 : -1]]
    except ModelOpsError:
        return None


def _evaluation(stores: Stores, endpoint: str, champion: ModelVersion) -> dict[str, Any] | None:
    """Return the gate's newest verdict on the champion, or None without one."""
    try:
        verdicts = [gate for gate in stores.gates.of(endpoint) if gate.version == champion.version]
    except ModelOpsError:
        return None
    return vars(verdicts[-1]) if verdicts else None


def _quality(stores: Stores, served: ServedEndpoint, champion: ModelVersion) -> dict[str, Any] | None:
    """Return the champion's newest window of quality metrics that has labels, or None."""
    import duckdb  # heavy: imported on the first call, not when the worker starts

    from modelops_pipelines.operations.lake.queries import newest

    try:
        rows = newest(stores, served.spec, QUALITY_METRICS)
    except (ModelOpsError, duckdb.Error):
        return None
    whole = [row for row in rows if row["segment"] in {None, WHOLE}]  # rows of release 0.1 have no segment
    labelled = [row for row in whole if row["model_version"] == champion.version and row["labelled"]]
    return {name: value for name, value in labelled[-1].items() if name not in _HIDDEN} if labelled else None
