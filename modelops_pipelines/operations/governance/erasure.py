"""Erases a user: every row of the user, and every copy of these rows on the disk, exactly once and for good.

A row is the user's by its ``user_id``. With it are erased labels and feedback on the user's predictions, also those
that arrive later, what people did with that feedback, labels that name the user's requests or the user by a key,
rejects that name the user, and what was derived from these rows. Labels that the user gave to predictions of others
stay, without their author. A comment in which another person mentions the user,
or a feature that happens to hold the id, is not found. Training sets that are already frozen hold no user's id and stay
as they are; those that hold rows of the user are recorded. The origins beside them lose the user's name where the user
gave a label or feedback.
"""

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import BusyError, InputError
from modelops_pipelines.core.tables.explanations import EXPLANATIONS
from modelops_pipelines.core.tables.keyed_labels import KEYED_LABELS
from modelops_pipelines.core.tables.lake import FEEDBACK, INFERENCE_LOG, LABELS, REJECTS, SHADOW_LOG, STREAMS
from modelops_pipelines.core.tables.training import frozen_table
from modelops_pipelines.core.windows import text, window_of
from modelops_pipelines.operations.capture.ingest import ingest, ingest_lock, record_progress
from modelops_pipelines.operations.capture.keyed_rows import keyed_lock
from modelops_pipelines.operations.governance.derived_traces import (
    DERIVED,
    remove_derived,
    remove_references,
    remove_reports,
)
from modelops_pipelines.operations.improve.feedback.stored_ids import deletions_among
from modelops_pipelines.operations.improve.training.origins import forget_people, sets_lock
from modelops_pipelines.operations.improve.training.sets import ROW_ID
from modelops_pipelines.operations.lake.incremental import derive_lock
from modelops_pipelines.store.filesystem.files import exclusive, write_atomically
from modelops_pipelines.store.lake.eraser import LakeEraser
from modelops_pipelines.store.spool import segments as spool
from modelops_pipelines.store.state.capture.erased_requests import ErasedRequests
from modelops_pipelines.store.state.capture.erasures import Erasure, Erasures, subject_of
from modelops_pipelines.store.stores import Stores

ERASED_TABLES = (
    EXPLANATIONS.name,
    SHADOW_LOG.name,
    LABELS.name,
    KEYED_LABELS.name,
    FEEDBACK.name,
    REJECTS.name,
    INFERENCE_LOG.name,
)
"""In this order: the log is last, because it determines which labels are the user's; a restart needs it again."""
AUTHORED_TABLES = (LABELS.name, KEYED_LABELS.name)
"""The user may have labelled the predictions of others: those labels stay, without the user's name."""
MARK = "erasure"
"""The consumer under which the windows of an erasure stay marked until it is finished."""
PATIENCE_SECONDS = 20.0
_HEADER_LENGTH = 200  # the gateway truncates a caller's header there
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Erased:
    """What was erased from an endpoint: rows by table, and frozen training sets that still hold some."""

    endpoint: str
    rows: Mapping[str, int]
    training_sets: Mapping[str, int]


@dataclass(frozen=True)
class _Plan:
    """What to erase: the rows as filters, by table, their present number, and the windows that they belong to.

    ``predictions`` are the user's own, ``requests`` theirs, ``feedback`` the erased feedback, deleted pieces of it too;
    ``first_by_version`` has the first event time of each version.
    """

    filters: Mapping[str, pc.Expression]
    rows: Mapping[str, int]
    windows: frozenset[datetime]
    training_sets: Mapping[str, int]
    predictions: Sequence[str]
    requests: frozenset[str]
    feedback: frozenset[str]
    first_by_version: Mapping[str, datetime]


def erase_user(
    stores: Stores, user: str, endpoints: Sequence[EndpointSpec], actor: str, patience: float | None = None
) -> list[Erased]:
    """Erase all that was captured of the user before this call; return what was erased, by endpoint.

    Killed at any instant and run again it ends in the same state; run once more it finds nothing. Raises InputError for
    an invalid user id, BusyError when a gateway keeps its open segment, or a reader the state database's journal, for
    more than ``patience`` seconds.
    """
    forms = _forms(user)
    erasures, subject = Erasures(stores.database), subject_of(user, stores.database.secret())
    seconds = stores.settings.seal_after_seconds + PATIENCE_SECONDS if patience is None else patience
    started = [erasures.start(spec.name, subject, actor, stores.now()) for spec in endpoints]
    opened = {spec.name: spool.open_segments(stores.settings.spool, spec.name) for spec in endpoints}
    found = []
    for spec, erasure in zip(endpoints, started, strict=True):
        lock = stores.settings.home / "locks" / f"{spec.name}.erasure.lock"
        with exclusive(lock, f"an erasure from {spec.name}"):
            _ingest_pending(stores, spec, opened[spec.name], seconds)
            found.append(_erase(stores, spec, forms, erasure))
            stores.database.forget_deleted(PATIENCE_SECONDS if patience is None else patience)
            erasures.finish(erasure.id, stores.now())
    return found


def _erase(stores: Stores, spec: EndpointSpec, forms: Sequence[str], erasure: Erasure) -> Erased:
    erasures, eraser = Erasures(stores.database), LakeEraser(stores.settings.lake)
    with _exclusive_access(stores, spec):
        plan = _plan(stores, eraser, spec, forms)
        erasures.record(erasure.id, plan.rows, plan.training_sets)
        _record_in_frozen_sets(eraser, erasure, plan.training_sets)
        stores.set_checks.forget_values(spec.name)
        stores.summaries.forget(spec.name)  # its words may name a value; the next run writes another
        forget_people(stores, spec.name, plan.predictions, forms)
        stores.touched_windows.mark(spec.name, [MARK], plan.windows)
        ErasedRequests(stores.database).add(spec.name, plan.requests)
        stores.review_items.erase(spec.name, plan.requests)
        stores.feedback_marks.erase(spec.name, plan.feedback)
        remove_references(stores, eraser, spec, plan.first_by_version, MARK)
        stores.reference_rows.remove_with(spec.name, spec.model_name, plan.predictions)
        for name in AUTHORED_TABLES:
            eraser.clear(spec.name, name, "author", pc.field("author").isin(list(forms)))
        deleted = {name: eraser.delete(spec.name, name, plan.filters[name]) for name in ERASED_TABLES}
        for name in ERASED_TABLES:
            eraser.purge(spec.name, name)
        _refresh_derived(stores, eraser, spec)
    known = erasures.record(erasure.id, deleted, {})
    return Erased(spec.name, known.rows, known.training_sets)


def _ingest_pending(stores: Stores, spec: EndpointSpec, opened: Sequence[Path], patience: float) -> None:
    """Ingest the spool, including segments that were open at the start, as soon as their gateway has sealed them."""
    deadline = time.monotonic() + patience
    while True:
        still_open = [path for path in opened if path.exists()]  # read first: a sealed one is ingested below
        for stream in STREAMS:
            ingest(stores, spec, stream)
        if not still_open:
            return
        if time.monotonic() > deadline:
            raise BusyError(
                f"Gateway worker {still_open[0].parent.name} has not sealed its open segment of {spec.name!r} "
                f"for over {patience:.0f} s",
                "Check its log and the free disk space, or stop it (another worker then seals it); then erase again",
            )
        time.sleep(_PAUSE_SECONDS)


def _forms(user: str) -> list[str]:
    """Return the forms in which the id may be stored: from a body as it is; from a header as Latin-1, truncated."""
    try:
        as_header = user.encode().decode("latin-1")
    except UnicodeEncodeError:
        as_header = ""
    if not as_header:
        raise InputError(f"{user!r} is not a valid user id", "Give the id that callers send in X-User-Id")
    return sorted({form[:length] for form in (user, as_header) for length in (_HEADER_LENGTH, len(form))})


def _plan(stores: Stores, eraser: LakeEraser, spec: EndpointSpec, forms: Sequence[str]) -> _Plan:
    mine = pc.field("user_id").isin(list(forms))
    logged = eraser.find(
        spec.name,
        INFERENCE_LOG.name,
        mine,
        ["prediction_id", "request_id", "event_time", "model_version", "client_request_id", "session_id"],
    )
    ids = logged.column("prediction_id").to_pylist()
    left = _about_erased(stores, eraser, spec)
    about_mine = pc.field("prediction_id").isin(pa.array([*ids, *left], pa.string()))
    filters = {
        LABELS.name: about_mine,
        KEYED_LABELS.name: about_mine | _named_by_key(eraser, spec, logged, forms),
        FEEDBACK.name: mine | about_mine,
        SHADOW_LOG.name: about_mine,
        EXPLANATIONS.name: about_mine,
        REJECTS.name: _names_user(forms),
        INFERENCE_LOG.name: mine,
    }
    undated = (REJECTS.name, KEYED_LABELS.name)
    when = {name: "date" if name in undated else "event_time" for name in ERASED_TABLES}
    found = {name: eraser.find(spec.name, name, filters[name], [when[name]]).column(0) for name in ERASED_TABLES}
    times = {moment for name in ERASED_TABLES if name not in undated for moment in found[name].unique().to_pylist()}
    windows = frozenset(window_of(moment, spec.window) for moment in times)
    rows = {name: len(column) for name, column in found.items()}
    return _Plan(
        filters,
        rows,
        windows,
        _frozen_sets(stores, eraser, spec, ids),
        ids,
        frozenset(logged.column("request_id").to_pylist()),
        _feedback(eraser, spec, filters[FEEDBACK.name]),
        _first_by_version(logged),
    )


def _feedback(eraser: LakeEraser, spec: EndpointSpec, matching: pc.Expression) -> frozenset[str]:
    """Return the ids of the matching feedback, and of what matching rows delete."""
    stored = eraser.find(spec.name, FEEDBACK.name, matching, ["feedback_id"]).column(0).to_pylist()
    return frozenset(stored) | deletions_among(eraser, spec.name, matching)


def _about_erased(stores: Stores, eraser: LakeEraser, spec: EndpointSpec) -> list[str]:
    """Return the predictions, of any erased user, about which something was stored meanwhile."""
    erased = ErasedRequests(stores.database)
    if not erased.has_any(spec.name):
        return []
    found: set[str] = set()
    for name in (LABELS.name, KEYED_LABELS.name, FEEDBACK.name, SHADOW_LOG.name, EXPLANATIONS.name):
        found |= set(eraser.find(spec.name, name, pc.scalar(value=True), ["prediction_id"]).column(0).to_pylist())
    ids = sorted(found - {None})
    return [
        one for one, erased in zip(ids, ErasedRequests(stores.database).among(spec.name, ids), strict=True) if erased
    ]


def _first_by_version(logged: pa.Table) -> dict[str, datetime]:
    firsts: dict[str, datetime] = {}
    for version, moment in zip(*(logged.column(n).to_pylist() for n in ("model_version", "event_time")), strict=True):
        if version is not None:
            firsts[version] = min(moment, firsts.get(version, moment))
    return firsts


def _names_user(forms: Sequence[str]) -> pc.Expression:
    """Return the filter of rejects that name the user in raw text or reason, as JSON or Python writes the id."""
    spellings = {spelling for form in forms for spelling in (form, orjson.dumps(form)[1:-1].decode(), repr(form)[1:-1])}
    return reduce(or_, [pc.match_substring(pc.field(name), one) for name in ("raw", "reason") for one in spellings])


def _named_by_key(eraser: LakeEraser, spec: EndpointSpec, logged: pa.Table, forms: Sequence[str]) -> pc.Expression:
    """Return the filter of labels with a key that name the user's requests, sessions or the user."""
    entity = pc.field("entity")
    callers = pc.match_substring(entity, '"user_id"') | pc.match_substring(entity, '"session_id"')
    found = eraser.find(spec.name, KEYED_LABELS.name, callers, ["entity"]).column("entity").unique().to_pylist()
    sessions = {one for one in logged.column("session_id").to_pylist() if one is not None}
    mine = [text_ for text_ in found if _names_caller(json.loads(text_), forms, sessions)]
    requests = {one for one in logged.column("client_request_id").to_pylist() if one is not None}
    return pc.field("client_request_id").isin(pa.array(sorted(requests), pa.string())) | entity.isin(
        pa.array(mine, pa.string())
    )


def _names_caller(entity: Mapping[str, object], forms: Sequence[str], sessions: Collection[str]) -> bool:
    return str(entity.get("user_id")) in forms or entity.get("session_id") in sessions


def _frozen_sets(stores: Stores, eraser: LakeEraser, spec: EndpointSpec, ids: Sequence[str]) -> dict[str, int]:
    """Return the frozen sets that hold rows of these predictions, with the number of rows."""
    mine = pc.field(ROW_ID).isin(pa.array(ids, pa.string()))
    hashes = [known.content_hash for known in stores.training_sets.of(spec.name)] if ids else []
    counts = {content: len(eraser.find(spec.name, frozen_table(content), mine, [ROW_ID])) for content in hashes}
    return {content: count for content, count in counts.items() if count}


def _record_in_frozen_sets(eraser: LakeEraser, erasure: Erasure, sets: Mapping[str, int]) -> None:
    """Record next to each set that it holds rows of an erased subject; its folder and hash do not change."""
    for content, rows in sets.items():
        path = eraser.path(erasure.endpoint, f"{frozen_table(content)}.erasures.json")
        known = orjson.loads(path.read_bytes()) if path.exists() else []
        others = [one for one in known if one["erasure"] != erasure.id]
        mine = {"erasure": erasure.id, "subject": erasure.subject, "at": text(erasure.at), "rows": rows}
        write_atomically(path, orjson.dumps([*others, mine], option=orjson.OPT_INDENT_2))


def _refresh_derived(stores: Stores, eraser: LakeEraser, spec: EndpointSpec) -> None:
    """Remove what was derived from erased rows, mark its windows to be computed again, and count the rows again."""
    touched = stores.touched_windows.pending(spec.name, MARK)
    remove_derived(eraser, spec, touched.windows)
    remove_reports(stores, spec, touched.windows)
    stores.touched_windows.clear(spec.name, MARK, touched, dependents=sorted(_consumers(spec)))
    record_progress(stores, spec, None)


def _consumers(spec: EndpointSpec) -> set[str]:
    return {name for table in (*STREAMS.values(), EXPLANATIONS) for name in spec.dependents(table.name)}


@contextmanager
def _exclusive_access(stores: Stores, spec: EndpointSpec) -> Iterator[None]:
    """Block this endpoint's ingests and recomputations: no file is removed while they read it, and nothing is added.

    What they read before the erasure, they have written before it.
    """
    with ExitStack() as held:
        for stream in STREAMS:
            held.enter_context(ingest_lock(stores.settings, spec.name, stream))
        held.enter_context(keyed_lock(stores.settings, spec.name))
        held.enter_context(sets_lock(stores, spec.name))
        for table in (*DERIVED, SHADOW_LOG, EXPLANATIONS):
            held.enter_context(derive_lock(stores, spec, table))
        yield
