"""Snapshots of the configurations that a code location was loaded with: its runs are of these, whatever files say now.

A snapshot is a file named after its content. A run reads those of its own endpoints only.
"""

import json
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.ids import content_id
from modelops_pipelines.operations.endpoints.load import describe
from modelops_pipelines.operations.endpoints.yaml.positions import Report, root_of
from modelops_pipelines.operations.endpoints.yaml.spec import ENDPOINT_TYPE, parse_endpoint
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.settings import Settings

KEPT_SECONDS = 7 * 24 * 3600.0
"""A snapshot that no code location was loaded with for so long is removed."""


def write_snapshot(settings: Settings, specs: Sequence[EndpointSpec]) -> str:
    """Keep the configurations; return the snapshot's number, which follows from its content."""
    content = orjson.dumps({spec.name: describe(spec) for spec in specs}, option=orjson.OPT_SORT_KEYS)
    number = content_id(content.decode())
    path = _path(settings, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.touch()
    else:
        write_atomically(path, content)
    _remove_old(path.parent)
    return number


def read_snapshot(
    settings: Settings, number: str, names: Collection[str] | None = None
) -> tuple[EndpointSpec, ...] | None:
    """Return the configurations of these endpoints, by default of all; None when they cannot be read as they were."""
    try:
        described: dict[str, dict[str, Any]] = orjson.loads(_path(settings, number).read_bytes())
    except (OSError, ValueError):
        return None
    wanted = described.keys() if names is None else [name for name in described if name in names]
    specs = [_spec(described[name]) for name in wanted]
    return None if None in specs else tuple(spec for spec in specs if spec is not None)


def _spec(attributes: dict[str, Any]) -> EndpointSpec | None:
    """Return the configuration; None when this release reads it in another way than the one that wrote it."""
    report = Report("snapshot")
    root = root_of(json.dumps({"type": ENDPOINT_TYPE, "attributes": attributes}), report)
    spec = parse_endpoint(root, report) if root else None
    return spec if spec is not None and not report.faults and describe(spec) == attributes else None


def _remove_old(folder: Path) -> None:
    oldest = time.time() - KEPT_SECONDS
    for path in folder.glob("*.json"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _path(settings: Settings, number: str) -> Path:
    return settings.home / "dagster" / "configurations" / f"{number}.json"
