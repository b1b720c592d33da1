"""Endpoints' YAML files into specs, or every fault by file, line, culprit and fix. Nothing is deployed."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validate import ValidationContext, endpoint_issues
from modelops_pipelines.core.errors import Fault, OnboardingError
from modelops_pipelines.core.tables.lake import SYSTEM_COLUMNS
from modelops_pipelines.operations.endpoints.check_functions import TRAINER, function_issues
from modelops_pipelines.operations.endpoints.check_metrics import metric_issues
from modelops_pipelines.operations.endpoints.yaml_positions import Place, Report, root_of
from modelops_pipelines.operations.endpoints.yaml_spec import ENDPOINT_TYPE, declared_type, parse_endpoint

_SUFFIXES = frozenset({".yaml", ".yml"})


@dataclass(frozen=True)
class _Opened:
    report: Report
    root: Place | None


@dataclass(frozen=True)
class _Loaded:
    spec: EndpointSpec | None
    report: Report


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

    ``known_features`` is by the endpoint's name. Hidden files and components of other types are passed over.
    Raises ``OnboardingError`` with all faults of all files, two endpoints of one name among them.
    """
    if not folder.is_dir():
        fix = "Create it, or name the folder that holds the endpoints' YAML"
        raise OnboardingError([Fault(str(folder), 1, "folder", "there is no such folder", fix)])
    opened = [one for one in map(_open, _yaml_files(folder)) if not _is_foreign(one)]
    loaded = [_load(one, known_features or {}) for one in opened]
    _refuse_repeated_names(loaded)
    faults = [fault for one in loaded for fault in _by_line(one.report)]
    if faults:
        raise OnboardingError(faults)
    return [one.spec for one in loaded if one.spec is not None]


def endpoint_from_attributes(attributes: Mapping[str, Any], file: str) -> EndpointSpec:
    """Return the endpoint of a component's attributes, as Dagster read them from ``file``.

    Raises ``OnboardingError``; its lines count in the attributes as written here, one below the other.
    """
    report = Report(file)
    content = yaml.safe_dump({"type": ENDPOINT_TYPE, "attributes": dict(attributes)}, sort_keys=False)
    loaded = _load(_Opened(report, root_of(content, report)), {})
    if loaded.spec is None or report.faults:
        raise OnboardingError(_by_line(report))
    return loaded.spec


def describe(spec: EndpointSpec) -> dict[str, Any]:
    """Return the endpoint as JSON-safe values, durations as text, without what is None: valid attributes."""
    described: dict[str, Any] = _plain(spec)
    return described


def _plain(value: object) -> Any:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        plain = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {key: item for key, item in plain.items() if item is not None}
    return value


def _yaml_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix in _SUFFIXES and not hidden and path.is_file():
            yield path


def _open(path: Path) -> _Opened:
    report = Report(str(path))
    content = _content(path, report)
    return _Opened(report, root_of(content, report) if content is not None else None)


def _is_foreign(opened: _Opened) -> bool:
    """Tell whether the file is a component of somebody else's; what looks like a misspelt endpoint is not."""
    found = declared_type(opened.root) if opened.root else ""
    return bool(found) and not found.startswith("modelops_pipelines") and not found.endswith("ModelEndpoint")


def _load(
    opened: _Opened, by_name: Mapping[str, Collection[str]], known_features: Collection[str] | None = None
) -> _Loaded:
    report = opened.report
    spec = parse_endpoint(opened.root, report) if opened.root else None
    if spec is not None:
        known = by_name.get(spec.name) if known_features is None else known_features
        _judge(spec, report, ValidationContext(SYSTEM_COLUMNS, known))
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


def _judge(spec: EndpointSpec, report: Report, around: ValidationContext) -> None:
    issues = list(endpoint_issues(spec, around))
    if spec.trainer is not None and not any(issue.path == "trainer" for issue in issues):
        issues += function_issues(spec.trainer, Path.cwd(), "trainer", TRAINER)
    wrong = {issue.path for issue in issues}
    issues += metric_issues(spec.metrics, Path.cwd(), wrong)
    for issue in issues:
        report.add_issue(issue)


def _refuse_repeated_names(loaded: list[_Loaded]) -> None:
    first: dict[str, Report] = {}
    for one in loaded:
        if one.spec is None or not one.spec.name:
            continue
        earlier = first.setdefault(one.spec.name, one.report)
        if earlier is not one.report:
            problem = f"'{one.spec.name}' is already the endpoint of {earlier.file}:{earlier.line_of('name')}"
            one.report.refuse("name", problem, "Rename or remove one of the two")
