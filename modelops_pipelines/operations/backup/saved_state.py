"""The state database of a backup: a copy of one instant, made to fit the tables that the backup has."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from modelops_pipelines.core.timestamps import from_micros, to_micros
from modelops_pipelines.operations.backup.cut import EndpointCut
from modelops_pipelines.store.backup.sqlite_copies import copy_database
from modelops_pipelines.store.state.database import GENERATION, SEAL
from modelops_pipelines.store.state.improve.label_sources import MATCHING, UNFINISHED
from modelops_pipelines.store.state.installation import Mark, fingerprint_of


def copy_state(path: Path, copy: Path) -> None:
    """Copy the state database as it is now, without the gateway's workers: a restored home has others."""
    copy_database(path, copy)
    with closing(sqlite3.connect(copy)) as connected, connected:
        connected.execute("DELETE FROM workers")
        connected.execute("DELETE FROM acknowledgements")


def erased_since(copy: Path, cuts: Iterable[EndpointCut]) -> list[str]:
    """Return the endpoints with an erasure, by the copied state, that was not finished when their tables were noted."""
    since = {cut.endpoint: cut.at for cut in cuts}
    with closing(sqlite3.connect(copy)) as connected:
        rows = connected.execute("SELECT endpoint, finished_at FROM erasures").fetchall()
    late = {
        endpoint for endpoint, at in rows if endpoint in since and (at is None or from_micros(at) >= since[endpoint])
    }
    return sorted(late)


def add_marks(copy: Path, cuts: Iterable[EndpointCut]) -> None:
    """Mark the windows in the copied state that its derived tables have not computed from its log."""
    wanted = {(cut.endpoint, consumer, to_micros(window)) for cut in cuts for consumer, window in cut.marks}
    with closing(sqlite3.connect(copy)) as connected, connected:
        known = set(connected.execute("SELECT endpoint, consumer, window_start FROM touched_windows"))
        missing: Sequence[tuple[str, str, int]] = sorted(wanted - known)
        connected.executemany(
            "INSERT INTO touched_windows (endpoint, consumer, window_start) VALUES (?, ?, ?)", missing
        )


def forget_late_labels(copy: Path, cuts: Iterable[EndpointCut]) -> None:
    """Have a restored home read label sources again that were read after its tables were noted, and match all labels.

    Reading and matching again give the rows that there are, and those that the noted tables lack.
    """
    with closing(sqlite3.connect(copy)) as connected, connected:
        if connected.execute("SELECT 1 FROM sqlite_master WHERE name = 'label_sources'").fetchone() is None:
            return
        late = [(cut.endpoint, MATCHING, to_micros(cut.at)) for cut in cuts]
        connected.executemany("DELETE FROM label_sources WHERE endpoint = ? AND source <> ? AND at >= ?", late)
        connected.execute("UPDATE label_sources SET position = ? WHERE source = ?", (UNFINISHED, MATCHING))


def mark_of(copy: Path) -> Mark:
    """Return the mark of the home whose state was copied; raises sqlite3.Error for a state without tables."""
    with closing(sqlite3.connect(copy)) as connected:
        settings = dict(connected.execute("SELECT name, value FROM settings"))
    return Mark(fingerprint_of(settings[SEAL]), GENERATION in settings)
