"""What was found out of versions when they proved themselves, kept in the home: a restart need not try them again.

To load a version takes a twentieth of what its proof takes. A proof holds for the same files, under a configuration
that reads their answers in the same way, with the same release of this package and of what loads and predicts.
"""

import hashlib
import json
import platform
import shutil
from contextlib import suppress
from functools import cache
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.gateway.worker.configuration.reconfigurations import LOADING_FIELDS, NAMING_FIELDS
from modelops_pipelines.operations.model_runtime.loading import Proven
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.state.release.model_versions import ModelVersion

_PACKAGES = ("modelops_pipelines", "mlflow", "scikit-learn", "skops", "numpy", "scipy", "pandas")
_NOT_READ_BY = ("model_name", "trust")
_RECORDED = ("files_hash", "inputs", "classes", "classes_from", "output", "trained_here")


class KeptProofs:
    """The folder of the proofs: ``proofs/<hash of the files>/<hash of what else it depends on>.json``."""

    def __init__(self, home: Path) -> None:
        """Use the home's folder; it is created with the first proof."""
        self._folder, self._copies = home / "proofs", home / "models"

    def take(self, version: ModelVersion, spec: EndpointSpec) -> Proven | None:
        """Return what is known of a version, None without a readable proof.

        It is put aside until ``keep``: a version that ends the worker when it is loaded has no proof the next time.
        """
        path = self._path(version, spec)
        if path is None:
            return None
        aside = path.with_suffix(".loading")
        try:
            path.replace(aside)
            return Proven.from_json(json.loads(aside.read_bytes()))
        except (OSError, ValueError, TypeError, LookupError):
            return None

    def keep(self, version: ModelVersion, spec: EndpointSpec, proven: Proven) -> None:
        """Keep what was found out of a version; without room on the disk it is found out again the next time."""
        path = self._path(version, spec)
        if path is not None and proven.unproven is None:
            with suppress(OSError):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_atomically(path, json.dumps(proven.as_json()).encode())
                path.with_suffix(".loading").unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove the proofs of files that are gone from the installation's copies."""
        with suppress(OSError):
            for folder in self._folder.iterdir():
                if not (self._copies / folder.name).is_dir():
                    shutil.rmtree(folder, ignore_errors=True)

    def _path(self, version: ModelVersion, spec: EndpointSpec) -> Path | None:
        """Return where the proof is or would be; None for files without a recorded hash."""
        if version.files_hash is None:
            return None
        read_by = {name: getattr(spec, name) for name in (*LOADING_FIELDS, *NAMING_FIELDS) if name not in _NOT_READ_BY}
        recorded = {name: getattr(version, name) for name in _RECORDED}
        depends: dict[str, Any] = {"spec": read_by, "version": recorded, "with": _releases()}
        digest = hashlib.sha256(json.dumps(depends, sort_keys=True, default=list).encode()).hexdigest()
        return self._folder / version.files_hash / f"{digest[:32]}.json"


@cache
def _releases() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: installed(name) for name in _PACKAGES}}
