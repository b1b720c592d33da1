"""Endpoints with their alert rules in force, for who has their names only: cheap, and without an error."""

import threading

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validate import is_name
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.operations.alerting.rules.effective_rules import with_runtime_rules
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.endpoints.kept import kept_of
from modelops_pipelines.operations.endpoints.load import ReadFiles
from modelops_pipelines.store.stores import Stores

_known_files = ReadFiles()
"""Files that this process has read: an unchanged one is not read for the next message."""
_reading = threading.Lock()


def spec_in_force(stores: Stores, endpoint: str) -> EndpointSpec | None:
    """Return an endpoint with its rules in force, those made at run time too; None where it cannot be read."""
    return SpecsInForce(stores).of(endpoint)


class SpecsInForce:
    """The configurations in force, each read once: what the gateway served with last, else what the file says.

    The first is one small file, so that a message on some endpoints of a thousand reads no thousand files.
    """

    def __init__(self, stores: Stores) -> None:
        """Read nothing yet."""
        self._stores = stores
        self._found: dict[str, EndpointSpec | None] = {}
        self._by_file: dict[str, EndpointSpec] | None = None

    def of(self, endpoint: str) -> EndpointSpec | None:
        """Return an endpoint with its rules, those made at run time too; None where it cannot be read."""
        if endpoint not in self._found:
            self._found[endpoint] = self._read(endpoint) if is_name(endpoint) else None
        return self._found[endpoint]

    def _read(self, endpoint: str) -> EndpointSpec | None:
        try:
            kept = kept_of(self._stores.settings, endpoint)
            spec = (kept.spec if kept is not None else None) or self._from_file(endpoint)
            return with_runtime_rules(self._stores, spec) if spec is not None else None
        except (ModelOpsError, OSError):
            return None

    def _from_file(self, endpoint: str) -> EndpointSpec | None:
        if self._by_file is None:
            with _reading:
                specs = read_configurations(self._stores.settings, known_files=_known_files).specs
            self._by_file = {spec.name: spec for spec in specs}
        return self._by_file.get(endpoint)
