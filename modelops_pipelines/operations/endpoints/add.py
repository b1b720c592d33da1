"""Writes the YAML of a new endpoint for a model that is registered already, in a folder that may hold nothing yet."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import yaml

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, InputError, OnboardingError
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.endpoints.yaml.spec import ENDPOINT_TYPE
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.settings import Settings


def add_endpoint(settings: Settings, attributes: Mapping[str, Any]) -> Path:
    """Write an endpoint's file with these attributes, every other key having its default; return its path.

    Raises OnboardingError for attributes that are none, ConflictError where an endpoint or a file has this name.
    """
    text = yaml.safe_dump({"type": ENDPOINT_TYPE, "attributes": dict(attributes)}, sort_keys=False)
    spec = _validated(text)
    path = settings.endpoints / f"{spec.name}.yaml"
    if path.exists() or spec.name in _names(settings):
        raise ConflictError(f"There is an endpoint {spec.name!r} already", f"Change its file in {settings.endpoints}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())
    return path


def remember_registry(folder: Path, uri: str) -> None:
    """Write the registry's address to the folder's pyproject.toml, unless it is there.

    Raises ConflictError where another one, or other settings, are there, InputError for one with a password.
    """
    if urlsplit(uri).password is not None:
        raise InputError(
            "The registry's address has a password, which does not belong in a file",
            "Leave it out, and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MODELOPS_REGISTRY_URI",
        )
    path = folder / "pyproject.toml"
    before = f"{path.read_text().rstrip()}\n\n" if path.exists() else ""
    table = tomllib.loads(before).get("tool", {}).get("modelops")
    if table is None:
        write_atomically(path, f"{before}[tool.modelops]\nregistry_uri = {json.dumps(uri)}\n".encode())
    elif table.get("registry_uri") != uri:
        raise ConflictError(
            f"{path} has settings in [tool.modelops] already", f"Write there: registry_uri = {json.dumps(uri)}"
        )


def _names(settings: Settings) -> set[str]:
    return read_configurations(settings).names if settings.endpoints.is_dir() else set()


def _validated(text: str) -> EndpointSpec:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "endpoint.yaml"
        path.write_text(text)
        try:
            return read_endpoint(path)
        except OnboardingError as error:
            raise OnboardingError([replace(fault, file="the new endpoint") for fault in error.faults]) from error
