"""What of an endpoint's tables a backup saves: versions that fit each other, and the windows still to be recomputed.

Copying takes minutes, in which rows are ingested, windows computed and their marks cleared. So the versions are noted
at one instant, while no ingest of the endpoint is under way, with the marks that were there before and after: a window
that a derived table has not yet computed from the noted log is marked in the backup, whatever is cleared meanwhile.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from modelops_pipelines.core.tables.lake import STREAMS
from modelops_pipelines.operations.capture.ingest import ingest_lock
from modelops_pipelines.store.lake.table_versions import newest_version, tables_in
from modelops_pipelines.store.stores import Stores

Marks = frozenset[tuple[str, datetime]]


@dataclass(frozen=True)
class EndpointCut:
    """The noted version of each table of an endpoint, by its folder, and the marks: derived table and window."""

    endpoint: str
    at: datetime
    versions: Mapping[Path, int]
    marks: Marks


def cut_endpoint(stores: Stores, endpoint: str) -> EndpointCut:
    """Note the endpoint's tables as they are now; waits for an ingest under way. Raises BusyError."""
    with _no_ingest(stores, endpoint):
        before = stores.touched_windows.all_of(endpoint)
        folders = tables_in(stores.settings.lake / endpoint)
        noted = {folder: newest_version(folder) for folder in folders}
        after = stores.touched_windows.all_of(endpoint)
    versions = {folder: version for folder, version in noted.items() if version is not None}
    return EndpointCut(endpoint, stores.now(), versions, before | after)


@contextmanager
def _no_ingest(stores: Stores, endpoint: str) -> Iterator[None]:
    """Hold the locks under which rows are added and their windows marked, in the order in which an erasure does."""
    with ExitStack() as held:
        for stream in STREAMS:
            held.enter_context(ingest_lock(stores.settings, endpoint, stream))
        yield
