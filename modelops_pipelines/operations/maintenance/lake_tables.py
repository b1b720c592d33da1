"""The tables of the lake that maintenance works on: those of every endpoint, also of endpoints without YAML."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelops_pipelines.core.tables.derivations import lake_tables
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class LakeTable:
    """One table of one endpoint, and its folder."""

    endpoint: str
    name: str
    path: Path


def tables_of(stores: Stores, endpoint: str) -> Iterator[LakeTable]:
    """Yield the endpoint's tables that exist. Frozen training sets are not among them: they never change."""
    for table in lake_tables():
        path = stores.lake.path(endpoint, table.name)
        if (path / "_delta_log").is_dir():
            yield LakeTable(endpoint, table.name, path)


def all_tables(stores: Stores) -> Iterator[LakeTable]:
    """Yield the tables of all endpoints, endpoint by endpoint."""
    for endpoint in stores.lake.endpoints():
        yield from tables_of(stores, endpoint)
