"""Versions of tables that vacuum keeps readable: each pin is a file, with the time at which it ends by itself.

Pin the versions while ``Lake.reading`` is held, so that no vacuum comes between the choice of versions and their pin.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import orjson

from modelops_pipelines.core.windows import text
from modelops_pipelines.store.filesystem.files import sync, write_atomically


class Pins:
    """The pins of a home: files in a folder."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read before the first call."""
        self._folder = folder

    def pin(self, name: str, versions: Mapping[str, int], until: datetime) -> None:
        """Keep these versions, by ``endpoint/table``, under a name; a pin of the same name is replaced. Durable."""
        content = {"until": text(until), "versions": dict(versions)}
        write_atomically(self._folder / f"{name}.json", orjson.dumps(content))

    def release(self, name: str) -> None:
        """Remove a pin; once more does nothing."""
        path = self._folder / f"{name}.json"
        if path.exists():
            path.unlink(missing_ok=True)
            sync(self._folder)

    def versions_of(self, endpoint: str, table: str, now: datetime) -> frozenset[int]:
        """Return the versions of a table that are pinned at this time."""
        key = f"{endpoint}/{table}"
        found = (orjson.loads(path.read_bytes()) for path in sorted(self._folder.glob("*.json")))
        live = (one["versions"] for one in found if datetime.fromisoformat(one["until"]) > now)
        return frozenset(versions[key] for versions in live if key in versions)
