"""Follows the configurations in force: tells whether they are other ones than before."""

from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.core.ids import content_id
from modelops_pipelines.operations.endpoints.configurations import Configurations, read_configurations
from modelops_pipelines.operations.endpoints.load import ReadFiles, describe, yaml_files
from modelops_pipelines.store.settings import Settings

Signature = tuple[tuple[str, int, int], ...]


class Follower:
    """The configurations as they were at the last call. Files are read only after one has changed."""

    def __init__(self, settings: Settings) -> None:
        """Read what is in force now."""
        self._settings, self._known_files = settings, ReadFiles()
        self._signature = self._sign()
        self._pending: Signature | None = None
        self._number = self._read()

    def changed(self) -> bool:
        """Return whether the configurations differ from those before; a file that is being written is waited for."""
        signature = self._sign()
        if signature == self._signature:
            return False
        if signature != self._pending:
            self._pending = signature
            return False
        self._signature, self._pending = signature, None
        number = self._read()
        if number is None or number == self._number:
            return False
        self._number = number
        return True

    def _read(self) -> str | None:
        """Return what tells these configurations from others; None without the endpoints' folder."""
        try:
            return _number(read_configurations(self._settings, known_files=self._known_files))
        except OnboardingError:
            return None

    def _sign(self) -> Signature:
        kept = sorted((self._settings.home / "configurations").glob("*.json"))
        found = []
        for path in (*yaml_files(self._settings.endpoints), *kept):
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((str(path), status.st_mtime_ns, status.st_size))
        return tuple(found)


def _number(found: Configurations) -> str:
    faults = [f"{one.name}: {one.problem}" for one in found.faulty]
    return content_id(*(str(describe(spec)) for spec in found.specs), *faults)
