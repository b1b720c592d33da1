"""Imports a log of predictions that others made: each row once, however often, in whatever parts and order.

Rows go straight into the lake, by day, a bounded number at a time. An id follows from the row, so that a row that is
there already is left: killed at any instant and run again it gives the same tables and marks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.capture.elsewhere.mapping import LogMapping, check_mapping
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, InputError, ModelOpsError
from modelops_pipelines.core.tables.feature_columns import column_of
from modelops_pipelines.operations.capture.direct_rows import append_new, join_small_files
from modelops_pipelines.operations.capture.elsewhere.batches import Batch
from modelops_pipelines.operations.capture.elsewhere.known_versions import known_types, learn
from modelops_pipelines.operations.capture.elsewhere.log_rows import Converted, Converter
from modelops_pipelines.operations.capture.elsewhere.refused_rows import RefusedRows
from modelops_pipelines.operations.capture.elsewhere.sources import Source, SourceOptions, sources_of
from modelops_pipelines.store.stores import Stores

ROWS_A_COMMIT = 200_000
SHOWN = 10
Progress = Callable[["ImportedLog"], None]


@dataclass(frozen=True)
class ImportedLog:
    """What an import gave: rows read, predictions and labels that were new, those stored before, and rows refused.

    ``unfinished`` are records without their other half. ``faults`` say what could not be read at all, ``refusals`` are
    the first reasons by place and row, and ``refused_file`` has all of them. ``left_out`` are columns of lists or
    objects. ``past_retention`` are new rows that the next maintenance deletes.
    """

    read: int = 0
    predictions: int = 0
    repeated: int = 0
    labels: int = 0
    labels_repeated: int = 0
    refused: int = 0
    unfinished: int = 0
    past_retention: int = 0
    first: datetime | None = None
    last: datetime | None = None
    versions: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    refused_file: str | None = None


@dataclass(frozen=True)
class Preview:
    """What an import would do: the columns by what they mean, the features' types, ten rows, and what is refused."""

    mapping: dict[str, Any]
    features: dict[str, str]
    rows: list[dict[str, Any]]
    read: int
    refused: int
    refusals: tuple[str, ...]
    left_out: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass
class _Waiting:
    """Rows that are not committed yet."""

    log: list[pa.Table] = field(default_factory=list)
    labels: list[pa.Table] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(map(len, self.log))


def import_log(
    stores: Stores,
    spec: EndpointSpec,
    given: Sequence[str],
    mapping: LogMapping,
    options: SourceOptions,
    progress: Progress = lambda _: None,
) -> ImportedLog:
    """Import all rows of the sources. A source that cannot be read is told, and stops no other.

    Raises ConflictError for an endpoint that is not served elsewhere, InputError for a mapping or source that is wrong.
    """
    require_elsewhere(spec)
    converter, sources = _converter(stores, spec, mapping), sources_of(given, options)
    with RefusedRows(stores.settings, spec.name) as refused:
        run = _Run(stores, spec, converter, refused)
        for source in sources:
            run.take(source, progress)
        run.commit(progress)
        run.done = replace(run.done, unfinished=options.reader.unread(), refused_file=refused.keep())
    for stream in ("predictions", "labels"):
        join_small_files(stores, spec, stream)
    return run.done


def preview_log(
    stores: Stores, spec: EndpointSpec, given: Sequence[str], mapping: LogMapping, options: SourceOptions
) -> Preview:
    """Return what an import of the sources would do; nothing is written. Raises what ``import_log`` raises."""
    require_elsewhere(spec)
    converter, faults = _converter(stores, spec, mapping), list[str]()
    shown, refusals, left, read, refused = list[dict[str, Any]](), list[str](), set[str](), 0, 0
    for source in sources_of(given, options):
        for batch in _batches(source, faults):
            made = converter.convert(batch)
            read += len(batch) + len(batch.refused)
            refused += len(made.refused)
            left |= set(made.left_out)
            refusals += [
                f"{source.shown}, row {number}: {why}" for number, why in made.refused[: SHOWN - len(refusals)]
            ]
            shown += _shown(made, SHOWN - len(shown))
    meant = {role: name for role, name in vars(converter.mapping).items() if name not in (None, (), {})}
    return Preview(
        {role: str(name) if not isinstance(name, tuple) else list(name) for role, name in meant.items()},
        converter.types,
        shown,
        read,
        refused,
        tuple(refusals),
        tuple(sorted(left)),
        tuple(faults),
    )


def require_elsewhere(spec: EndpointSpec) -> None:
    """Raise ConflictError for an endpoint that a model of ours serves: its log is what its gateway answered."""
    if not spec.is_elsewhere:
        raise ConflictError(
            f"Endpoint {spec.name!r} is served here: its log has the answers of its own model, which guards and trials "
            "count",
            "Add an endpoint with 'served: elsewhere' to its YAML, and send the predictions of others there",
        )


@dataclass
class _Run:
    """One import under way."""

    stores: Stores
    spec: EndpointSpec
    converter: Converter
    refused: RefusedRows
    done: ImportedLog = field(default_factory=ImportedLog)
    waiting: _Waiting = field(default_factory=_Waiting)

    def take(self, source: Source, progress: Progress) -> None:
        """Read one source to its end, and commit whenever enough rows wait."""
        faults: list[str] = []
        for batch in _batches(source, faults):
            made = self.converter.convert(batch)
            self._note(source, batch, made)
            self.waiting.log.append(made.log)
            self.waiting.labels.append(made.labels)
            if self.waiting.rows >= ROWS_A_COMMIT:
                self.commit(progress)
        self.done = replace(self.done, faults=(*self.done.faults, *faults))

    def commit(self, progress: Progress) -> None:
        """Write the rows that wait, predictions before their labels."""
        waiting, self.waiting = self.waiting, _Waiting()
        if not waiting.rows:
            return
        log = pa.concat_tables(waiting.log, promote_options="default")
        labels = pa.concat_tables(waiting.labels, promote_options="default")
        self._learn(log)
        fresh = append_new(self.stores, self.spec, "predictions", log)
        new_labels = append_new(self.stores, self.spec, "labels", labels) if len(labels) else labels
        self._count(log, fresh, len(labels), len(new_labels))
        progress(self.done)

    def _learn(self, log: pa.Table) -> None:
        """Record the versions and the features' types before any row has them."""
        versions = log.column("model_version").unique().to_pylist()
        named = {name: kind for name, kind in self.converter.types.items() if name in log.column_names}
        held = learn(self.stores, self.spec, versions, named)
        other = next((name for name, kind in named.items() if held[name] != kind), None)
        if other is not None:
            raise InputError(
                f"The feature {other[:80]!r} is a {held[other]} in the log since a moment ago, by another import",
                "Run the import again: it takes that type",
            )

    def _note(self, source: Source, batch: Batch, made: Converted) -> None:
        done = self.done
        self.refused.add(source.shown, made.refused)
        room = max(0, SHOWN - len(done.refusals))
        shown = [f"{source.shown}, row {number}: {why}" for number, why in made.refused[:room]]
        self.done = replace(
            done,
            read=done.read + len(batch) + len(batch.refused),
            refused=done.refused + len(made.refused),
            refusals=(*done.refusals, *shown),
            left_out=tuple(sorted({*done.left_out, *made.left_out})),
        )

    def _count(self, log: pa.Table, fresh: pa.Table, labels: int, new_labels: int) -> None:
        done, times = self.done, pc.min_max(log.column("event_time")).as_py()
        kept = self.spec.retention.predictions
        old = 0 if kept is None else pc.sum(pc.less(fresh.column("event_time"), self.stores.now() - kept)).as_py() or 0
        self.done = replace(
            done,
            predictions=done.predictions + len(fresh),
            repeated=done.repeated + len(log) - len(fresh),
            labels=done.labels + new_labels,
            labels_repeated=done.labels_repeated + labels - new_labels,
            past_retention=done.past_retention + old,
            first=min(one for one in (done.first, times["min"]) if one is not None),
            last=max(one for one in (done.last, times["max"]) if one is not None),
            versions=tuple(sorted({*done.versions, *log.column("model_version").unique().to_pylist()})),
        )


def _converter(stores: Stores, spec: EndpointSpec, mapping: LogMapping) -> Converter:
    checked = check_mapping(mapping, spec)
    types = known_types(stores, spec)
    for name, kind in checked.types.items():
        known = types.get(column_of(name), kind)
        if known != kind:
            raise InputError(
                f"The mapping gives {name[:80]!r} the type {kind}, and the log has it as {known}",
                "Remove its type from the mapping, or rename the column",
            )
    return Converter(spec, checked, stores.database.secret(), stores.now(), types)


def _batches(source: Source, faults: list[str]) -> Iterator[Batch]:
    """Yield a source's batches; what ends its reading becomes a fault, in words that hold none of its values."""
    try:
        yield from source.open()
    except ModelOpsError as error:
        faults.append(f"{source.shown}: {error.message}. {error.remedy}")
    except Exception as error:  # noqa: BLE001 - whatever a source does to its reader is that source's fault
        faults.append(f"{source.shown}: it cannot be read to its end ({type(error).__name__})")


def _shown(made: Converted, most: int) -> list[dict[str, Any]]:
    names = ["event_time", "model_version", "client_request_id", "status", "prediction", "score"]
    rows = made.log.slice(0, max(0, most))
    more = [name for name in rows.column_names if name not in {*names, *_HIDDEN}]
    return list(rows.select([*names, *more]).to_pylist())


_HIDDEN = frozenset(
    {
        *("request_id", "prediction_id", "row_index", "received_at", "variant", "source"),
        *("sampled", "truncated", "cache_hit"),
    }
)
