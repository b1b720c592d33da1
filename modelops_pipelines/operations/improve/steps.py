"""The steps of a retraining: training set, candidate, evaluation. Each has an asset of its own in Dagster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

TRAINING_SET, CANDIDATE, EVALUATION = "training_set", "candidate", "evaluation"
Record = TypeVar("Record", TrainingSet, ModelVersion, Gate)


@dataclass(frozen=True)
class Step(Generic[Record]):
    """A completed step of a retraining: the asset that it materialised, its record, and its metadata."""

    asset: str
    record: Record
    numbers: Mapping[str, Any]


def steps_remedy(spec: EndpointSpec, assets: Sequence[str]) -> str:
    """Return the remedy: materialise the assets of the steps before, or run all the steps."""
    named = " and ".join(f"{spec.name}/{asset}" for asset in assets)
    return f"Materialise {named} first, or run the whole retraining: modelops retrain {spec.name}"


def why_url(stores: Stores, spec: EndpointSpec, version: str) -> str:
    """Return the gateway's address of why a version is as it is: a link between the steps."""
    return f"{stores.settings.links_to_gateway}/endpoints/{spec.name}/versions/{version}/why"
