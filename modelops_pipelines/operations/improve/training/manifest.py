"""The manifest of a training set: what it was made of and by which rules, so that it can be made again."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.core.tables.training import PROVIDED
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.improve.training.content import content_hash
from modelops_pipelines.store.settings import Settings
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class MadeOf:
    """What a set was read from: the tables' versions, predictions without a label by reason, and as of when."""

    tables: Mapping[str, int] = field(default_factory=dict)
    unlabelled: Mapping[str, int] = field(default_factory=dict)
    as_of: datetime | None = None


def manifest_of(
    stores: Stores, spec: EndpointSpec, rows: pa.Table, origins: pa.Table, made_of: MadeOf
) -> dict[str, Any]:
    """Return the manifest of a set with these rows and origins, as JSON values.

    ``origins_hash`` is that of the table of origins, which are as ``numbered`` returns them.
    ``columns`` have the set's types by name, in order; ``counts`` add up to all input rows: rows in the set and rows
    left out, by reason. ``code_hash`` is null where the trainer's file is not found, ``yaml_hash`` where the endpoint
    has no file.
    """
    left_out = {**_counted(origins, "reason")}
    for reason, count in made_of.unlabelled.items():
        left_out[reason] = left_out.get(reason, 0) + count
    inside = origins.filter(pc.is_null(origins.column("reason")))
    by_origin = _counted(inside, "origin")
    return {
        "tables": dict(made_of.tables),
        "code_hash": code_hash(spec.trainer),
        "yaml_hash": _yaml_hash(stores.settings, spec.name),
        "policy": _policy(spec),
        "as_of": None if made_of.as_of is None else text(made_of.as_of),
        "origins_hash": content_hash(origins),
        "columns": {field.name: str(field.type) for field in rows.schema},
        "counts": {
            "rows": len(rows),
            "provided": by_origin.get(PROVIDED, 0),
            "left_out": dict(sorted(left_out.items())),
            "by_origin": by_origin,
        },
    }


def code_hash(trainer: str | None) -> str | None:
    """Return SHA-256 of the file of the trainer's module, found as Python would, without importing anything."""
    module = Path(*(trainer or "").partition(":")[0].split("."))
    if trainer is None:
        return None
    for folder in (str(Path.cwd()), *sys.path):
        for file in (Path(folder, f"{module}.py"), Path(folder, module, "__init__.py")):
            if file.is_file():
                return hashlib.sha256(file.read_bytes()).hexdigest()
    return None


def _yaml_hash(settings: Settings, endpoint: str) -> str | None:
    try:
        path = read_configurations(settings).paths.get(endpoint)
    except OnboardingError:
        return None
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


def _policy(spec: EndpointSpec) -> dict[str, Any]:
    policy = {**asdict(spec.training), "half_life": spec.training.half_life.total_seconds()}
    return {**policy, "labels": list(spec.training.labels), "evaluation_days": spec.gate.every_nth_day}


def _counted(origins: pa.Table, name: str) -> dict[str, int]:
    found = pc.value_counts(origins.column(name)).to_pylist()
    return dict(sorted((one["values"], one["counts"]) for one in found if one["values"] is not None))
