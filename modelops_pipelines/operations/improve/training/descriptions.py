"""Training sets in words and numbers, for the command line and the gateway. Reads no rows, but their origins."""

from typing import Any

import orjson

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, UnknownError
from modelops_pipelines.core.tables.training import frozen_table
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores

SHORTEST = 6
"""Digits that may stand for a whole content hash."""


def training_set_named(stores: Stores, endpoint: str, content: str) -> TrainingSet:
    """Return a set by its content hash, or the beginning of it.

    Raises UnknownError when no set has it, InputError when it is too short or several have it.
    """
    if len(content) < SHORTEST:
        raise InputError("The content hash is too short", f"Give at least {SHORTEST} of its digits")
    found = [one for one in stores.training_sets.of(endpoint) if one.content_hash.startswith(content)]
    if not found:
        raise UnknownError(
            f"Endpoint {endpoint!r} has no training set {content[:80]!r}",
            f"List them with: modelops training-set list {endpoint}",
        )
    if len(found) > 1:
        raise InputError(f"{len(found)} training sets begin with {content[:80]!r}", "Give more digits")
    return found[0]


def describe_training_set(stores: Stores, spec: EndpointSpec, one: TrainingSet) -> dict[str, Any]:
    """Return a set's record and manifest, the guards' verdicts, erasures of rows that it holds, and its versions."""
    name = stores.lake.path(one.endpoint, f"{frozen_table(one.content_hash)}.erasures.json")
    known = stores.deployments.versions(spec.model_name)
    return {
        **summary(one),
        "base_hash": one.base_hash,
        "labels_seen": one.labels_seen,
        "watermark": one.watermark,
        "frozen": stores.lake.path(one.endpoint, frozen_table(one.content_hash)).exists(),
        "versions": [version.version for version in known if version.training_set == one.content_hash],
        "checks": [
            {name: getattr(check, name) for name in ("guard", "passed", "refuses", "verdict", "message", "numbers")}
            for check in stores.set_checks.of(one.endpoint, one.content_hash)
        ],
        "manifest": one.manifest,
        "origins": _origins(stores, one),
        "erasures": orjson.loads(name.read_bytes()) if name.exists() else [],
    }


def _origins(stores: Stores, one: TrainingSet) -> str:
    from modelops_pipelines.operations.improve.training.origins import origins_state  # it loads Arrow

    return origins_state(stores, one)


def summary(one: TrainingSet) -> dict[str, Any]:
    """Return the most important numbers of a set; those of its manifest are null for a set of release 0.3."""
    counts = (one.manifest or {}).get("counts", {})
    left_out = counts.get("left_out")
    return {
        "content_hash": one.content_hash,
        "at": one.at,
        "as_of": one.as_of,
        "rows": one.rows,
        "provided": counts.get("provided"),
        "left_out": None if left_out is None else sum(left_out.values()),
    }
