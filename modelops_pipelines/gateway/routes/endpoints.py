"""What the gateway tells of an endpoint: what it serves now, what came before, and how good the champion is."""

from typing import Any

from modelops_pipelines.core.errors import ModelOpsError, NotReadyError
from modelops_pipelines.core.release.event_log import champion_periods
from modelops_pipelines.core.tables.lake import QUALITY_METRICS, WHOLE
from modelops_pipelines.core.windows import text
from modelops_pipelines.gateway.worker.served import Served
from modelops_pipelines.operations.models.example_request import example_body
from modelops_pipelines.store.state.release.deployments import ModelVersion
from modelops_pipelines.store.stores import Stores

CHAMPIONS = 20
_HIDDEN = {"date", "segment", "segment_value", "score_counts"}


def describe(served: Served) -> dict[str, Any]:
    """Return an endpoint as the list shows it."""
    champion = served.version_of(served.state.champion)
    return {
        "name": served.spec.name,
        "model_name": served.spec.model_name,
        "task": served.spec.task,
        "description": served.spec.description,
        "generation": served.state.generation,
        "status": served.state.status,
        "variants": [vars(variant) for variant in served.state.variants],
        "inputs": champion.inputs if champion else None,
        "classes": champion.classes if champion else None,
        "training_set": champion.training_set if champion else None,
        "registered_at": text(champion.registered_at) if champion else None,
    }


def details(stores: Stores, served: Served) -> dict[str, Any]:
    """Return an endpoint as its own page shows it. What another store knows is null while that store is away."""
    champion = served.version_of(served.state.champion)
    return {
        **describe(served),
        "version": champion.version if champion else None,
        "output": champion.output if champion else None,
        "way": served.loaded[champion.version].model.way.describe() if champion else None,
        "evaluation": _evaluation(stores, served.spec.name, champion) if champion else None,
        "quality": _quality(stores, served, champion) if champion else None,
        "champions": _champions(stores, served.spec.name),
    }


def example(served: Served) -> dict[str, Any]:
    """Return a body that the champion takes; raises NotReadyError when there is none."""
    champion = served.version_of(served.state.champion)
    if champion is None:
        name = served.spec.name
        raise NotReadyError(f"Endpoint {name!r} serves no version yet", f"Deploy one: modelops deploy {name} VERSION")
    return example_body(champion)


def _champions(stores: Stores, endpoint: str) -> list[dict[str, Any]] | None:
    """Return the last champions, newest first."""
    try:
        return [vars(reign) for reign in champion_periods(stores.deployments.events(endpoint))[: -CHAMPIONS - 1 : -1]]
    except ModelOpsError:
        return None


def _evaluation(stores: Stores, endpoint: str, champion: ModelVersion) -> dict[str, Any] | None:
    """Return the newest verdict of the gate on the champion; none where it never stood before it."""
    try:
        verdicts = [gate for gate in stores.gates.of(endpoint) if gate.version == champion.version]
    except ModelOpsError:
        return None
    return vars(verdicts[-1]) if verdicts else None


def _quality(stores: Stores, served: Served, champion: ModelVersion) -> dict[str, Any] | None:
    """Return the champion's newest window of quality that has labels."""
    import duckdb  # as what reads with it: not before the first call

    from modelops_pipelines.operations.lake.queries import newest

    try:
        rows = newest(stores, served.spec, QUALITY_METRICS)
    except (ModelOpsError, duckdb.Error):
        return None
    whole = [row for row in rows if row["segment"] in {None, WHOLE}]  # rows of release 0.1 know of no segments
    mine = [row for row in whole if row["model_version"] == champion.version and row["labelled"]]
    return {name: value for name, value in mine[-1].items() if name not in _HIDDEN} if mine else None
