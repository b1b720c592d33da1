"""Writes the YAML of a new endpoint for a model that is registered already, in a folder that may hold nothing yet.

The command, the route and the pages that add an endpoint take the same values, and write the same text.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from modelops_pipelines.core.endpoints.alert_rules import default_alerts
from modelops_pipelines.core.endpoints.spec import SERVED, EndpointSpec
from modelops_pipelines.core.errors import ConflictError, Fault, InputError, OnboardingError
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.endpoints.yaml.rules import describe_rule
from modelops_pipelines.operations.endpoints.yaml.spec import ENDPOINT_TYPE
from modelops_pipelines.store.filesystem.files import create_atomically, write_atomically
from modelops_pipelines.store.settings import Settings
from modelops_pipelines.store.state.endpoint_records import has_records
from modelops_pipelines.store.stores import Stores

COMPONENTS, COMPONENT_FILE = "defs", "defs.yaml"
"""The folder in which a Dagster project has its components, and the file that declares one."""
RESERVED = frozenset({"defs", "component"})
TEMPLATE_MARKS = ("{{", "{%", "{#")
LIMITS: Final = ("error_rate", "latency_p95_ms")
"""The kinds of the default alert rules whose limits a new endpoint may be given."""


@dataclass(frozen=True)
class NewEndpoint:
    """What a person says of a new endpoint. What is None or empty has no line in its file, and so its default.

    ``error_rate`` (a share) and ``latency_p95_ms`` (milliseconds) are the limits of the default alert rules of that
    kind: with one of them all default rules stand in the file. A text in place of a number is a fault of that line.
    """

    name: str
    task: str
    label: str
    model_name: str | None = None
    served: str = SERVED[0]
    owners: Sequence[str] = ()
    description: str = ""
    label_horizon: str | None = None
    window: str | None = None
    classes: Sequence[str] = ()
    positive_label: str | None = None
    error_rate: float | str | None = None
    latency_p95_ms: float | str | None = None

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of its file, in their order."""
        given = {
            "name": self.name,
            "served": "" if self.served == SERVED[0] else self.served,
            "model_name": self.model_name,
            "task": self.task,
            "label": self.label,
            "owners": list(self.owners),
            "description": self.description,
            "label_horizon": self.label_horizon,
            "window": self.window,
            "classes": list(self.classes),
            "positive_label": self.positive_label,
            "alerts": self._alerts(),
        }
        return {key: value for key, value in given.items() if value not in (None, "", [])}

    def _alerts(self) -> list[dict[str, Any]]:
        limits = {kind: _short(limit) for kind in LIMITS if (limit := getattr(self, kind)) not in (None, "")}
        rules = [describe_rule(rule) for rule in default_alerts(self.task)] if limits else []
        return [{**rule, "above": limits[rule["kind"]]} if rule["kind"] in limits else rule for rule in rules]


@dataclass(frozen=True)
class Draft:
    """A new endpoint's file before it is written."""

    spec: EndpointSpec
    path: Path
    text: str
    folder: Path

    @property
    def shown_path(self) -> str:
        """The file's path from the project's folder of endpoints on."""
        return str(self.path.relative_to(self.folder.parent))

    def write(self) -> None:
        """Write the file; raises ConflictError where there is one by now, or where it cannot be written."""
        try:
            create_atomically(self.path, self.text.encode())
        except FileExistsError as error:
            raise name_taken(self.spec.name) from error
        except OSError as error:
            raise ConflictError(
                f"The project's folder of endpoints cannot be written to ({error.strerror})",
                "Put the YAML there by other means, or correct the folder's permissions",
            ) from error


def draft_endpoint(settings: Settings, attributes: Mapping[str, Any]) -> Draft:
    """Return an endpoint's file with these attributes, every other key having its default; nothing is written.

    Raises OnboardingError for attributes that are none, ConflictError where an endpoint or a file has this name.
    """
    _require_plain(attributes)
    text = text_of(attributes)
    spec = _validated(text)
    path = new_path(settings, spec.name)
    if path.exists() or spec.name in _names(settings):
        raise name_taken(spec.name)
    return Draft(spec, path, text, settings.endpoints)


def _require_plain(attributes: Mapping[str, Any]) -> None:
    """Raise OnboardingError for a template: Dagster would run it, with all that its process may do."""
    faults = [
        Fault("the new endpoint", 0, key, "has the marks of a template", f"Write it without {mark}")
        for key, value in attributes.items()
        for mark in TEMPLATE_MARKS
        if mark in str(value)
    ]
    if faults:
        raise OnboardingError(faults)


def new_path(settings: Settings, name: str) -> Path:
    """Return where an endpoint's file belongs: in a Dagster project each has a folder of its own, as a component.

    Raises OnboardingError for a name that Dagster takes for the folder's own declaration.
    """
    folder = settings.endpoints
    if folder.name != COMPONENTS and not any(folder.glob(f"*/{COMPONENT_FILE}")):
        return folder / f"{name}.yaml"
    if name in RESERVED:
        raise OnboardingError(
            [Fault("the new endpoint", 0, "name", f"'{name}' is a name of Dagster's here", "Choose another name")]
        )
    return folder / name / COMPONENT_FILE


def require_unused(stores: Stores, name: str) -> None:
    """Raise ConflictError for a name of an endpoint whose file is gone: what there is of it would be taken over.

    That is its log in lake and spool, its reports, any row of the state, and what a key or a silence permits by its
    name. Who changes the project's files may bring such an endpoint back; ``name`` is one that an endpoint can have.
    """
    settings = stores.settings
    kept = any((folder / name).exists() for folder in (settings.lake, settings.spool, settings.reports))
    if kept or has_records(stores.database, name, stores.now()):
        raise ConflictError(
            f"{name!r} was an endpoint's name before, and its history and log are kept under it",
            "Choose another name; to bring that endpoint back, put its file into the project",
        )


def text_of(attributes: Mapping[str, Any]) -> str:
    """Return the text of an endpoint's file, valid or not; what a value has in it is quoted, so that it stays one."""
    return yaml.safe_dump({"type": ENDPOINT_TYPE, "attributes": dict(attributes)}, sort_keys=False)


def name_taken(name: str) -> ConflictError:
    """Return the error of a name that an endpoint has, without saying whose it is."""
    return ConflictError(f"There is an endpoint {name!r} already", "Choose another name, or change that one's file")


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


def _short(number: float | str) -> float | str:
    """Return a number so that each way of giving it is written alike: 500.0 as 500."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


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
