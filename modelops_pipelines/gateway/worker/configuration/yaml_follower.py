"""Follows the endpoints' YAML in one worker: what changed, what was removed, and the files with faults."""

import time
from collections.abc import Collection
from pathlib import Path

from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.operations.endpoints.configurations import Configurations, read_configurations
from modelops_pipelines.operations.endpoints.load import ReadFiles, file_state, yaml_files
from modelops_pipelines.store.settings import Settings

REMOVED_SECONDS = 2.0
"""An endpoint is removed when its file has been gone for so long: editors remove a file before they write it again."""
REPEAT_SECONDS = 10.0
"""While a file has a fault, it is read again so often: what it names elsewhere may have been corrected."""

Signature = tuple[tuple[str, int, int, int], ...]


class YamlFollower:
    """The configurations in force, as this worker has read them last."""

    def __init__(self, settings: Settings) -> None:
        """Read nothing yet."""
        self._settings = settings
        self._signature: Signature | None = None
        self._read_at = 0.0
        self._gone: dict[str, float] = {}
        self._files = ReadFiles()
        self.found = Configurations((), (), {})

    def read(self) -> Configurations | None:
        """Return the configurations when a file has changed, else None.

        Raises OnboardingError when the endpoints' folder does not exist at the first call; later the last ones stay.
        """
        signature = _signature(self._settings.endpoints)
        due = bool(self.found.faulty) and time.monotonic() - self._read_at > REPEAT_SECONDS
        if signature == self._signature and not due:
            return None
        first, self._signature, self._read_at = self._signature is None, signature, time.monotonic()
        try:
            self.found = read_configurations(self._settings, newest=True, known_files=self._files)
        except OnboardingError:
            if first:
                raise
            return None
        return self.found

    def removed(self, served: Collection[str]) -> list[str]:
        """Return the endpoints whose files have been gone for REMOVED_SECONDS; call it again and again."""
        if not self._settings.endpoints.is_dir():
            return []
        now, there = time.monotonic(), self.found.names
        self._gone = {name: self._gone.get(name, now) for name in served if name not in there}
        return [name for name, since in self._gone.items() if now - since > REMOVED_SECONDS]


def _signature(folder: Path) -> Signature:
    return tuple((str(path), *file_state(path)) for path in yaml_files(folder))
