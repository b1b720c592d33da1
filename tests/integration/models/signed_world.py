"""A project whose endpoint trusts a key, and models that show when their code is executed, for tests of signatures."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.versions.known_version import known_version
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes import models_with_code as own
from tests.fakes.hostile_models import EVIL, MARKER
from tests.fakes.model_kinds import empty_project
from tests.fakes.signing_keys import Pair, make_pair
from tests.support.project import Project

YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: scaled
  model_name: scaled models
  task: regression
  label: y
"""
TRUST = "  trust: {signed_by: [keys/ci.pub]}\n"
MODEL = "scaled models"
CRASHES = 666.0
WORDS = "trusted by signature of keys/ci.pub (fingerprint "


@dataclass
class World:
    """A project whose endpoint trusts one key, that key, another, and a model that shows when its code is executed."""

    project: Project
    pair: Pair
    other: Pair
    saved: Path
    marker: Path

    @property
    def client(self) -> Any:
        """MLflow's client."""
        return self.project.stores.registry._client

    def write(self, trust: str = TRUST) -> EndpointSpec:
        """Write the endpoint's YAML."""
        path = self.project.folder / "endpoints" / "scaled.yaml"
        path.write_text(YAML + trust)
        return read_endpoint(path)

    def copied(self, name: str) -> Path:
        """Return a copy of the model's folder."""
        return Path(shutil.copytree(self.saved, self.project.folder / "saved" / name))

    def register(self, folder: Path) -> str:
        """Register the folder as anybody does who reaches the registry; return the version."""
        self.project.stores.registry._ensure_model(MODEL)
        return str(self.client.create_model_version(MODEL, folder.as_uri()).version)

    def loaded(self, version: str, spec: EndpointSpec | None = None) -> ModelVersion:
        """Load the version in this process, as a process of its own does; return its record."""
        known = known_version(self.project.stores, spec or self.write(), version)
        assert [2.0, 4.0, 6.0] == list(load_model(known, spec or self.write()).predict(own.FRAME))
        return known

    def refusal(self, version: str) -> ModelError:
        """Return why the version does not load; nothing was executed."""
        known = known_version(self.project.stores, self.write(), version)
        with pytest.raises(ModelError) as told:
            load_model(known, self.write())
        assert not self.marker.exists()
        return told.value


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = own.save(tmp_path_factory.mktemp("saved"), "package", 2.0)
    [package] = folder.rglob("scaler")
    (package / "factors.py").write_text(f"FACTOR = 2.0\n{EVIL}")
    return folder


@pytest.fixture
def world(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    project = empty_project(tmp_path / "project")
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "scaler"]:
        monkeypatch.delitem(sys.modules, name)
    marker = tmp_path / "executed"
    monkeypatch.setenv(MARKER, str(marker))
    keys = project.folder / "keys"
    made = World(project, make_pair(keys), make_pair(keys, "other"), saved, marker)
    made.write()
    return made
