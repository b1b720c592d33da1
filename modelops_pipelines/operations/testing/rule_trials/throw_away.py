"""A home for one trial: its own lake, spool and state in a temporary folder, and a clock that the trial sets."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.alerting.configuration import kept_alerting
from modelops_pipelines.operations.testing.rule_trials.synthetic_rows import Subject, drawing
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.filesystem.scratch import scratch_folder
from modelops_pipelines.store.settings import Settings, own_registry
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

NO_FILES = "/nowhere"
_NUMBER, _TEXT = "float", "text"
_FEATURES = ("x", "y")
_WORKER = "trial"


class TrialStores(Stores):
    """Real stores whose clock stands where the trial has set it."""

    moment: datetime

    def now(self) -> datetime:
        """Return the trial's time."""
        return self.moment


@dataclass
class TrialHome:
    """A folder of homes: scenes begin with a copy of a home that was kept.

    Each has the ``kept`` copy of alerting.yaml, if there is one: while the file has a fault, its routes are in force.
    """

    folder: Path
    settings: Settings
    kept: Path

    def keep(self, stores: Stores, name: str) -> None:
        """Keep the home as it is now under a name, for scenes to begin with."""
        stores.database.close()
        shutil.copytree(self.settings.home, self.folder / name)

    @contextmanager
    def opened(self, kept: str, at: datetime) -> Iterator[TrialStores]:
        """Have the stores of a home as it was kept, or of a new one; always in one place, which its state knows."""
        shutil.rmtree(self.settings.home, ignore_errors=True)
        if (self.folder / kept).exists():
            shutil.copytree(self.folder / kept, self.settings.home)
        if self.kept.exists():
            write_atomically(kept_alerting(self.settings), self.kept.read_bytes())
        stores = TrialStores(self.settings)
        stores.moment = at
        try:
            yield stores
        finally:
            stores.database.close()


@contextmanager
def throw_away_home(settings: Settings) -> Iterator[TrialHome]:
    """Have a folder of homes for the time of the block; the user's own home is never written to."""
    with scratch_folder() as folder:
        home = folder / "home"
        state, registry = f"sqlite:///{home / 'state.db'}", own_registry(home)
        own = replace(settings, home=home, state_url=state, registry_uri=registry, ingest_lag_seconds=0.0)
        yield TrialHome(folder, own, kept_alerting(settings))


def subject_of(stores: Stores, spec: EndpointSpec) -> tuple[Subject, ModelVersion]:
    """Return whose requests are made, by the newest version that is known here; made up where there is none."""
    known = stores.deployments.versions(spec.model_name)
    features = dict.fromkeys(spec.features or _FEATURES, _NUMBER) | dict.fromkeys(spec.segments, _TEXT)
    made_up = ModelVersion(spec.model_name, "1", NO_FILES, features, None, None, None, stores.now())
    version = known[-1] if known else made_up
    reference = stores.references.read(spec.model_name, version.version)
    profiles = {} if reference is None else reference.profiles
    draws = {name: drawing(kind, profiles.get(name)) for name, kind in version.inputs.items()}
    classes = _classes(spec, version)
    recorded = replace(version, artifact_uri=NO_FILES, classes=list(classes) or None, files_hash=None)
    return Subject(spec, version.version, classes, draws), recorded


def _classes(spec: EndpointSpec, version: ModelVersion) -> Sequence[str]:
    """Return the classes of the answers: the version's, the YAML's, or made-up ones."""
    if spec.task == "regression":
        return ()
    found = list(version.classes or spec.classes)
    if len(found) > 1:
        return found
    if spec.task == "multiclass":
        return ["a", "b", "c"]
    return [_other(spec.positive_label), spec.positive_label]


def _other(positive: str) -> str:
    return {"1": "0", "true": "false", "True": "False", "yes": "no"}.get(positive, f"not {positive}")


def write_records(stores: Stores, endpoint: str, stream: str, name: str, records: Sequence[dict[str, Any]]) -> None:
    """Write records as one sealed segment of a worker of its own."""
    from modelops_pipelines.store.spool.segments import SegmentWriter, encode

    if records:
        writer = SegmentWriter(stores.settings.spool, endpoint, stream, f"{_WORKER}-{name}")
        writer.append(b"".join(encode(record) for record in records), 0.0)
        writer.seal()
