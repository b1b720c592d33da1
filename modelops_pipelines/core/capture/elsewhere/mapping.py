"""Which column of a foreign log means what. Reading it from YAML or options: ``operations.capture.elsewhere``."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from modelops_pipelines.core.capture.elsewhere.values import feature_fault
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.tables.feature_columns import column_of, same_but_capitals

UNVERSIONED = "unversioned"
"""The version of a prediction whose log names none."""
TIME_UNITS = ("iso", "s", "ms", "us")
TYPES = ("text", "int", "float", "bool", "timestamp")
"""The types that a feature can be given."""
_ROLES = (
    *("time", "version", "user", "session", "prediction", "score", "status", "error", "latency_ms"),
    *("label", "labelled_at", "row", "rows"),
)


@dataclass(frozen=True)
class LogMapping:
    """Names of columns by what they mean; None where the log has none.

    ``id`` are one or more columns that together are unique in the log. ``time`` is ISO 8601 (UTC without an offset), or
    a number since 1970 in ``time_unit``. ``probabilities`` are columns in the order of ``classes``, or one column with
    a list. ``row`` and ``rows`` are a row's place in its request, and the request's rows. ``features`` None: all other
    columns that hold plain values. ``rename`` gives columns another name in our log, ``types`` features another type
    than the first one seen: numbers are floats.
    """

    id: tuple[str, ...] = ()
    time: str | None = None
    time_unit: str = "iso"
    version: str | None = None
    user: str | None = None
    session: str | None = None
    prediction: str | None = None
    score: str | None = None
    probabilities: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    status: str | None = None
    error: str | None = None
    latency_ms: str | None = None
    label: str | None = None
    labelled_at: str | None = None
    row: str | None = None
    rows: str | None = None
    features: tuple[str, ...] | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)

    @property
    def roles(self) -> dict[str, str]:
        """The columns that are no features, by what they mean; those of the id and of probabilities are apart."""
        named = {role: getattr(self, role) for role in _ROLES}
        return {role: name for role, name in named.items() if name is not None}

    @property
    def used(self) -> tuple[str, ...]:
        """All columns that are no features."""
        return tuple(dict.fromkeys((*self.id, *self.roles.values(), *self.probabilities)))

    def name_of(self, column: str) -> str:
        """Return a column's name in our log."""
        return self.rename.get(column, column)


def check_mapping(mapping: LogMapping, spec: EndpointSpec) -> LogMapping:
    """Return the mapping with the endpoint's classes where it has none; raises InputError for what cannot be meant."""
    problem = next(_problems(mapping, spec), None)
    if problem is not None:
        raise InputError(*problem)
    return mapping if mapping.classes or not spec.classes else replace(mapping, classes=spec.classes)


def _problems(mapping: LogMapping, spec: EndpointSpec) -> Iterator[tuple[str, str]]:
    if not mapping.id:
        yield (
            "The mapping has no 'id'",
            "Give the column, or columns, by which a row is found again, such as --id request_id",
        )
    if mapping.time is None:
        yield "The mapping has no 'time'", "Give the column of the prediction's time, such as --time asked_at"
    if mapping.time_unit not in TIME_UNITS:
        yield f"The time unit {mapping.time_unit[:40]!r} is unknown", f"Use one of: {', '.join(TIME_UNITS)}"
    for name, kind in mapping.types.items():
        if kind not in TYPES:
            yield f"The type {kind[:40]!r} of {name[:80]!r} is unknown", f"Use one of: {', '.join(TYPES)}"
    if mapping.labelled_at is not None and mapping.label is None:
        yield "'labelled_at' belongs to 'label', which is missing", "Remove it, or add the label's column"
    if (mapping.row is None) != (mapping.rows is None):
        yield "'row' and 'rows' belong together", "Give both, or neither: then every row is a request of its own"
    yield from _answer_problems(mapping, spec)


def _answer_problems(mapping: LogMapping, spec: EndpointSpec) -> Iterator[tuple[str, str]]:
    if spec.task == "regression":
        if mapping.prediction is None:
            yield (
                "The mapping has no 'prediction'",
                "Give the column of the predicted number, such as --prediction y_hat",
            )
        if mapping.score or mapping.probabilities:
            yield "A regression has no scores", "Remove 'score' and 'probabilities' from the mapping"
        return
    if mapping.prediction is None and not mapping.probabilities and mapping.score is None:
        yield "The mapping has no answer", "Give the column of 'prediction', of 'score', or those of 'probabilities'"
    if mapping.classes and sorted(mapping.classes) != sorted(spec.classes):
        stated = ", ".join(spec.classes)[:200]
        yield "The mapping's classes are not those of the endpoint's YAML", f"List these, in the log's order: {stated}"
    if len(mapping.probabilities) > 1 and len(mapping.probabilities) != len(spec.classes):
        given = f"{len(mapping.probabilities)} columns of probabilities for {len(spec.classes)} classes"
        yield f"The mapping has {given}", "Give a column for each class, in the order of 'classes'"
    if mapping.prediction is None and not mapping.probabilities and spec.task != "binary_classification":
        yield "A score alone names no class among more than two", "Give the column of 'prediction' too"


def feature_columns(mapping: LogMapping, spec: EndpointSpec, present: Collection[str]) -> list[str]:
    """Return the columns that are features: those that the mapping lists, or all of no other meaning.

    Raises InputError for a column that is not there, and as ``check_names`` does.
    """
    missing = [name for name in (*mapping.used, *(mapping.features or ())) if name not in present]
    if missing:
        there = ", ".join(sorted(present))[:300]
        raise InputError(f"There is no column {missing[0][:80]!r} (there are: {there})", "Correct the mapping")
    chosen = [name for name in present if name not in mapping.used] if mapping.features is None else mapping.features
    check_names(mapping, spec, chosen)
    return list(chosen)


def check_names(mapping: LogMapping, spec: EndpointSpec, chosen: Collection[str]) -> None:
    """Raise InputError for a feature with a name that the log cannot have, and for two that it cannot tell apart."""
    names = [mapping.name_of(name) for name in chosen]
    for name, known_as in zip(chosen, names, strict=True):
        fault = feature_fault(known_as, spec.label)
        if fault is not None:
            raise InputError(
                f"The name of the column {name[:80]!r} {fault}",
                "Rename it in the mapping, under 'rename', or leave it out by listing 'features'",
            )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"Two features would be named {twice[:80]!r}", "Correct 'rename' in the mapping")
    alike = same_but_capitals(map(column_of, names), {})
    if alike is not None:
        raise InputError(
            f"The columns {alike[0][:80]!r} and {alike[1][:80]!r} differ in capitals only, and the log cannot keep "
            "them apart",
            "Rename one of them in the mapping, under 'rename'",
        )
