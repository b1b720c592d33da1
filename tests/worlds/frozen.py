"""Worlds: projects whose making takes long. Each is made once a run, whichever process asks first, and copied."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores
from tests.support.once import made_once
from tests.support.project import Project


def frozen(worlds: Path, name: str, make: Callable[[Path], tuple[Project, Any]]) -> tuple[Project, Any]:
    """Return the world of this name, and what its maker told of it. Nothing may change it: tests work on copies."""

    def pickled() -> bytes:
        project, told = make(folder)
        project.stores.database.close()
        return pickle.dumps((project.environment, project.spec, told))

    folder = worlds / name
    environment, spec, told = pickle.loads(made_once(worlds / f"{name}.pickle", pickled))
    return Project(folder, environment, Stores(load_settings(folder, environment)), spec), told
