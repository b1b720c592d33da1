"""Loads endpoints' YAML files as specs, or reports every fault by file, line, culprit and fix. Deploys nothing.

Which configuration of an endpoint is in force while its file has a fault: ``configurations``.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validate import ValidationContext, endpoint_issues
from modelops_pipelines.core.errors import Fault, OnboardingError
from modelops_pipelines.core.foreign_text import type_name
from modelops_pipelines.core.maintenance.retention import Retention
from modelops_pipelines.core.tables.lake import SYSTEM_COLUMNS
from modelops_pipelines.operations.endpoints.check_functions import TRAINER, function_issues
from modelops_pipelines.operations.endpoints.check_keys import key_issues
from modelops_pipelines.operations.endpoints.check_metrics import metric_issues, rule_file_issues
from modelops_pipelines.operations.endpoints.trainer_requirements import requirement_file_issues
from modelops_pipelines.operations.endpoints.yaml.positions import Place, Report, root_of
from modelops_pipelines.operations.endpoints.yaml.rules import describe_rule
from modelops_pipelines.operations.endpoints.yaml.spec import ENDPOINT_TYPE, declared_type, parse_endpoint
from modelops_pipelines.operations.endpoints.yaml.types import NEVER

_SUFFIXES = frozenset({".yaml", ".yml"})
FileState = tuple[int, int, int]


@dataclass(frozen=True)
class _Opened:
    report: Report
    root: Place | None


@dataclass(frozen=True)
class _Loaded:
    spec: EndpointSpec | None
    report: Report


@dataclass(frozen=True)
class EndpointFile:
    """One file as it was read. ``spec`` is what it declares, None when that cannot be read at all.

    A spec of a file with faults has stand-ins for what was refused: only its name is of use.
    """

    path: Path
    spec: EndpointSpec | None
    faults: tuple[Fault, ...]
    line_of_name: int = 1

    def repeats(self, earlier: "EndpointFile") -> Fault:
        """Return the fault of declaring an endpoint that an earlier file declares."""
        name = earlier.spec.name if earlier.spec else ""
        problem = f"endpoint '{name}' is already declared at {earlier.path}:{earlier.line_of_name}"
        return Fault(str(self.path), self.line_of_name, "name", problem, "Rename or remove one of the two")


def read_endpoint(path: Path, *, known_features: Collection[str] | None = None) -> EndpointSpec:
    """Return the endpoint that the file declares.

    ``known_features`` are the inputs of the model's signature, None while they are not known. Raises
    ``OnboardingError`` with all of the file's faults.
    """
    loaded = _load(_open(path), {}, known_features)
    if loaded.spec is None or loaded.report.faults:
        raise OnboardingError(_by_line(loaded.report))
    return loaded.spec


def read_endpoints(folder: Path, known_features: Mapping[str, Collection[str]] | None = None) -> list[EndpointSpec]:
    """Return the endpoints that the files under the folder declare, in the order of the files' paths.

    ``known_features`` is by the endpoint's name. Hidden files and components of other types are ignored.
    Raises ``OnboardingError`` with all faults of all files, including endpoints with the same name.
    """
    read = read_files(folder, known_features)
    first: dict[str, EndpointFile] = {}
    faults: list[Fault] = []
    for one in read:
        named = first.setdefault(one.spec.name, one) if one.spec and one.spec.name else one
        repeated = [] if named is one else [one.repeats(named)]
        faults += sorted([*one.faults, *repeated], key=lambda fault: fault.line)
    if faults:
        raise OnboardingError(faults)
    return [one.spec for one in read if one.spec is not None]


class ReadFiles:
    """Files that were read without a fault, with what tells that they have not changed since."""

    def __init__(self) -> None:
        """Hold none yet."""
        self._known: dict[Path, tuple[FileState, EndpointFile | None]] = {}

    def read(self, path: Path) -> EndpointFile | None:
        """Return the file, read again only if it changed or had a fault; None for a component of another package."""
        state = file_state(path)
        known = self._known.get(path)
        if known is not None and known[0] == state:
            return known[1]
        found = _read(path, {})
        self._known.pop(path, None)
        if found is None or not found.faults:
            self._known[path] = state, found
        return found


def file_state(path: Path) -> FileState:
    """Return what changes when the file does; zeros for one that cannot be examined, such as a link to nowhere."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def read_files(
    folder: Path, known_features: Mapping[str, Collection[str]] | None = None, known: ReadFiles | None = None
) -> list[EndpointFile]:
    """Return each file under the folder with its endpoint and its own faults, in the order of their paths.

    That two files declare one endpoint is not among them. With ``known`` only what has changed is read, without
    ``known_features``. Raises ``OnboardingError`` without the folder.
    """
    if not folder.is_dir():
        fix = "Create it, or set the folder that holds the endpoints' YAML"
        raise OnboardingError([Fault(str(folder), 1, "folder", "the folder does not exist", fix)])
    unreadable: list[OSError] = []
    paths = yaml_files(folder, unreadable)
    found = (known.read(path) if known is not None else _read(path, known_features or {}) for path in paths)
    read = [one for one in found if one is not None]
    return sorted([*read, *map(_unreadable_folder, unreadable)], key=lambda one: one.path)


def endpoint_from_attributes(attributes: Mapping[str, Any], file: str) -> EndpointSpec:
    """Return the endpoint of a component's attributes, as Dagster read them from ``file``.

    Raises ``OnboardingError``; its line numbers count in the attributes as they are dumped here, not in the file.
    """
    report = Report(file)
    content = yaml.safe_dump({"type": ENDPOINT_TYPE, "attributes": dict(attributes)}, sort_keys=False)
    loaded = _load(_Opened(report, root_of(content, report)), {})
    if loaded.spec is None or report.faults:
        raise OnboardingError(_by_line(report))
    return loaded.spec


def describe(spec: EndpointSpec) -> dict[str, Any]:
    """Return the endpoint as JSON-safe values, durations as text, without None: valid attributes for its YAML."""
    described: dict[str, Any] = _plain(spec)
    return described


def _plain(value: object) -> Any:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, AlertRule):
        return describe_rule(value)
    if isinstance(value, Retention):
        return {name: NEVER if kept is None else _plain(kept) for name, kept in vars(value).items()}
    if is_dataclass(value):
        plain = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {key: item for key, item in plain.items() if item is not None}
    return value


def yaml_files(folder: Path, unreadable: list[OSError] | None = None) -> list[Path]:
    """Return the paths of the endpoints' files under the folder, sorted; links that lead nowhere too.

    The errors of folders that cannot be listed are added to ``unreadable``.
    """
    found: list[Path] = []
    for where, folders, names in os.walk(folder, onerror=None if unreadable is None else unreadable.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(where, name) for name in names if not name.startswith(".")]
        found += [path for path in paths if path.suffix in _SUFFIXES and _may_be_text(path)]
    return sorted(found)


def _may_be_text(path: Path) -> bool:
    """Return whether the path may be opened: a pipe or a device may not, as that would wait for ever."""
    try:
        return path.is_file() or not path.exists()
    except OSError:
        return True


def _as_file(loaded: _Loaded) -> EndpointFile:
    report = loaded.report
    return EndpointFile(Path(report.file), loaded.spec, tuple(_by_line(report)), report.line_of("name"))


def _unreadable_folder(error: OSError) -> EndpointFile:
    path = Path(str(error.filename))
    problem = f"the folder cannot be read: {error.strerror}"
    return EndpointFile(path, None, (Fault(str(path), 1, "folder", problem, "Correct the folder's permissions"),))


def _read(path: Path, known_features: Mapping[str, Collection[str]]) -> EndpointFile | None:
    """Return one file; None for a component of another package."""
    opened = _open(path)
    return None if _is_foreign(opened) else _as_file(_load(opened, known_features))


def _open(path: Path) -> _Opened:
    report = Report(str(path))
    content = _content(path, report)
    try:
        return _Opened(report, root_of(content, report) if content is not None else None)
    except (ValueError, RecursionError) as error:  # a value that YAML's own reader stumbles on
        report.refuse("document", f"cannot be read ({type(error).__name__})", "Write plain keys and values")
        return _Opened(report, None)


def _is_foreign(opened: _Opened) -> bool:
    """Return whether the file declares a component of another package; a misspelt endpoint type is not one."""
    found = declared_type(opened.root) if opened.root else ""
    return bool(found) and not found.startswith("modelops_pipelines") and not found.endswith("ModelEndpoint")


def _load(
    opened: _Opened, by_name: Mapping[str, Collection[str]], known_features: Collection[str] | None = None
) -> _Loaded:
    """Return the file's endpoint and its faults; a value that a check stumbles on is a fault of this file alone."""
    report, spec = opened.report, None
    try:
        spec = parse_endpoint(opened.root, report) if opened.root else None
        if spec is not None:
            known = by_name.get(spec.name) if known_features is None else known_features
            _check(spec, report, ValidationContext(SYSTEM_COLUMNS, known))
    except Exception as error:  # noqa: BLE001 - any that is raised would be raised for the files of all endpoints
        report.refuse("document", f"cannot be checked ({type_name(error)})", "Write plain keys and values")
    return _Loaded(spec, report)


def _by_line(report: Report) -> list[Fault]:
    return sorted(report.faults, key=lambda fault: fault.line)


def _content(path: Path, report: Report) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        report.refuse("document", "is not UTF-8 text", "Save it as UTF-8")
    except OSError as error:
        report.refuse("document", f"cannot be read: {error.strerror}", "Check the path and the file's permissions")
    return None


def _check(spec: EndpointSpec, report: Report, around: ValidationContext) -> None:
    issues = list(endpoint_issues(spec, around))
    if spec.trainer is not None and not any(issue.path == "trainer" for issue in issues):
        has_own = spec.trainer_environment is not None
        issues += function_issues(spec.trainer, Path.cwd(), "trainer", TRAINER, imports=not has_own)
    issues += requirement_file_issues(spec, Path.cwd(), {issue.path for issue in issues})
    issues += metric_issues(spec.metrics, Path.cwd(), {issue.path for issue in issues})
    issues += rule_file_issues(spec.alerts, Path.cwd(), {issue.path for issue in issues})
    issues += key_issues(spec.trust.signed_by, Path.cwd(), {issue.path for issue in issues})
    for issue in issues:
        report.add_issue(issue)
