"""The configuration that each endpoint served with last, in the home. It stays in force while its YAML has a fault."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.endpoints.load import FileState, describe, file_state
from modelops_pipelines.operations.endpoints.yaml.positions import Report, root_of
from modelops_pipelines.operations.endpoints.yaml.spec import ENDPOINT_TYPE, parse_endpoint
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.settings import Settings


@dataclass(frozen=True)
class Kept:
    """An endpoint's configuration as it served last, and its file relative to the endpoints' folder.

    ``refused`` is a later configuration that no worker could serve with, and ``why``. ``unproven`` is why a
    version that is served with it does not prove itself.
    """

    file: str
    attributes: dict[str, Any]
    refused: dict[str, Any] | None = None
    why: str | None = None
    unproven: str | None = None

    @property
    def spec(self) -> EndpointSpec | None:
        """The configuration; None when this release cannot read it. What it names was checked when it was kept."""
        report = Report(self.file)
        root = root_of(yaml.safe_dump({"type": ENDPOINT_TYPE, "attributes": self.attributes}, sort_keys=False), report)
        spec = parse_endpoint(root, report) if root else None
        return None if report.faults else spec

    def has(self, spec: EndpointSpec) -> bool:
        """Return whether it is this configuration; cheaper than reading ``spec``."""
        return self.attributes == _attributes(spec)

    def refusal_of(self, spec: EndpointSpec) -> str | None:
        """Return why this configuration was refused; None when it was not."""
        return self.why if self.refused is not None and self.refused == _attributes(spec) else None


def keep(settings: Settings, spec: EndpointSpec, file: Path, unproven: str | None = None) -> None:
    """Keep the configuration that the endpoint serves with now; an equal one is not written again."""
    made = Kept(_relative(file, settings), _attributes(spec), unproven=unproven)
    if made != kept_of(settings, spec.name):
        _write(settings, spec.name, made)


def keep_refusal(settings: Settings, spec: EndpointSpec, why: str) -> None:
    """Note that no worker can serve with this configuration, beside the one that is in force."""
    known = kept_of(settings, spec.name)
    if known is not None and known.refusal_of(spec) != why:
        _write(settings, spec.name, replace(known, refused=_attributes(spec), why=why))


def forget(settings: Settings, endpoint: str) -> None:
    """Forget the configuration of an endpoint whose file was removed."""
    _path(settings, endpoint).unlink(missing_ok=True)


def kept_of(settings: Settings, endpoint: str) -> Kept | None:
    """Return the configuration that the endpoint served with last; None without a readable one."""
    path = _path(settings, endpoint)
    return _read(path, file_state(path))


@lru_cache(maxsize=10_000)
def _read(path: Path, _state: FileState) -> Kept | None:
    """Read a file that is in this state: sensors and workers look at all of them every few seconds."""
    try:
        values = json.loads(path.read_bytes())
        return Kept(
            str(values["file"]), dict(values["attributes"]), values["refused"], values["why"], values.get("unproven")
        )
    except (OSError, ValueError, TypeError, LookupError):
        return None


def all_kept(settings: Settings) -> Iterator[tuple[str, Kept]]:
    """Yield each endpoint's name with the configuration that it served with last."""
    for path in sorted(_folder(settings).glob("*.json")):
        found = kept_of(settings, path.stem)
        if found is not None:
            yield path.stem, found


def _write(settings: Settings, endpoint: str, made: Kept) -> None:
    write_atomically(_path(settings, endpoint), json.dumps(asdict(made)).encode())


def _attributes(spec: EndpointSpec) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(json.dumps(describe(spec)))
    return described


def _relative(file: Path, settings: Settings) -> str:
    return str(file.relative_to(settings.endpoints)) if file.is_relative_to(settings.endpoints) else str(file)


def _folder(settings: Settings) -> Path:
    return settings.home / "configurations"


def _path(settings: Settings, endpoint: str) -> Path:
    return _folder(settings) / f"{endpoint}.json"
