"""Validate label sources: what each kind needs, one key each, names. Reading them: ``operations.improve.labels``."""

import re
from collections.abc import Collection, Iterator
from datetime import timedelta

from modelops_pipelines.core.endpoints.improvement import SOURCE_KINDS, LabelSource
from modelops_pipelines.core.endpoints.issues import Issue, one_of
from modelops_pipelines.core.endpoints.spec import EndpointSpec

RESERVED = ("review", "import", "feedback", "label")
"""Names that labels from elsewhere have."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KINDS_OF = {"path": ("files", "delta", "sql"), "query": ("sql",), "url_env": ("sql",), "cursor": ("sql", "delta")}
_LONGEST_WITHIN = timedelta(days=366)
_CALLERS = ("user_id", "session_id")


def label_source_issues(spec: EndpointSpec, known_features: Collection[str] | None) -> Iterator[Issue]:
    """Yield all issues of the endpoint's label sources, in their order."""
    names = [source.name for source in spec.label_sources]
    for index, source in enumerate(spec.label_sources):
        path = f"label_sources[{index}]"
        if not _NAME.fullmatch(source.name) or source.name in RESERVED:
            fix = f"Use up to 63 of a-z, 0-9 and _, starting with a letter, and none of: {', '.join(RESERVED)}"
            yield Issue(f"{path}.name", f"'{source.name}' cannot be a source's name", fix)
        if source.name in names[:index]:
            yield Issue(f"{path}.name", f"'{source.name}' is the name of another source", "Give it a name of its own")
        yield from one_of(f"{path}.kind", source.kind, SOURCE_KINDS)
        if source.kind in SOURCE_KINDS:
            yield from _kind_issues(source, path)
        yield from _key_issues(source, path, known_features)
        yield from _redacted_issues(source, path, spec.capture.redact)
        yield from _time_issues(source, path)


def _kind_issues(source: LabelSource, path: str) -> Iterator[Issue]:
    for key, kinds in _KINDS_OF.items():
        if getattr(source, key) is not None and source.kind not in kinds:
            yield Issue(f"{path}.{key}", f"a source of kind {source.kind} takes no '{key}'", "Remove it")
    if source.kind in {"files", "delta"} and source.path is None:
        example = "outcomes/*.csv" if source.kind == "files" else "warehouse/outcomes"
        yield Issue(f"{path}.path", "is missing", f"Add where the labels are, such as 'path: {example}'")
    if source.kind == "sql" and source.query is None:
        yield Issue(f"{path}.query", "is missing", "Add one SELECT, or the path of a file with one")
    if source.path is not None and source.url_env is not None:
        yield Issue(f"{path}.path", "a database has either 'path' (DuckDB) or 'url_env'", "Remove one of them")
    if source.url_env is not None and not _VARIABLE.fullmatch(source.url_env):
        fix = "Write a variable's name, such as WAREHOUSE_URL: the URL itself, with its password, belongs in no file"
        yield Issue(f"{path}.url_env", "is not the name of an environment variable", fix)


def _key_issues(source: LabelSource, path: str, known: Collection[str] | None) -> Iterator[Issue]:
    given = [key for key in ("prediction_id", "request_id", "entity") if getattr(source, key)]
    if len(given) != 1:
        problem = "has no key" if not given else f"has {len(given)} keys: {', '.join(given)}"
        fix = "Give one of: 'prediction_id', 'request_id' (with 'row'), 'entity' (with 'time')"
        yield Issue(path, problem, fix)
    if source.row is not None and source.request_id is None:
        yield Issue(f"{path}.row", "belongs to 'request_id', which is missing", "Remove it")
    if source.time is not None and not source.entity:
        yield Issue(f"{path}.time", "belongs to 'entity', which is missing", "Remove it")
    if source.entity and source.time is None:
        yield Issue(f"{path}.time", "is missing", "Add the column of the entity's time, such as 'time: departed_at'")
    for name in source.entity:
        if known is not None and name not in {*known, *_CALLERS}:
            fix = f"Name features, or {' or '.join(_CALLERS)}: the log has a column of that name"
            yield Issue(f"{path}.entity", f"'{name}' is no feature of the model", fix)


def _redacted_issues(source: LabelSource, path: str, redact: Collection[str]) -> Iterator[Issue]:
    """Yield an issue for each key that the log does not keep."""
    named = {
        **dict.fromkeys(source.entity, "entity"),
        **({"client_request_id": "request_id"} if source.request_id else {}),
    }
    for column, key in named.items():
        if column in redact:
            problem = f"the log keeps no {column}: it is in 'capture.redact'"
            yield Issue(f"{path}.{key}", problem, "Use another key, or keep the column")


def _time_issues(source: LabelSource, path: str) -> Iterator[Issue]:
    if not timedelta(0) < source.within <= _LONGEST_WITHIN:
        fix = "Set how far the prediction may be before the time, such as 1d; at most 366d"
        yield Issue(f"{path}.within", "is not a time to look back", fix)
    if source.overlap is not None and source.cursor is None:
        yield Issue(f"{path}.overlap", "belongs to a 'cursor' that is a time", "Remove it, or add 'cursor'")
