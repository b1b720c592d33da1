"""Erasing a person: every row of theirs, and every trace of these rows on the disk, exactly once and for good.

A row is the user's by its ``user_id``; labels and feedback on the user's predictions go with them, and rejects that
name the user. What another person wrote about the user in a comment, or a feature that happens to hold the id, is
not found. Training sets that are frozen already hold no user's id and stay as they are: which of them hold rows of
the user is recorded.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
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
from modelops_pipelines.core.tables.derivations import lake_tables
from modelops_pipelines.core.tables.lake import FEEDBACK, INFERENCE_LOG, LABELS, REJECTS, SHADOW_LOG, STREAMS
from modelops_pipelines.core.windows import text, window_of
from modelops_pipelines.operations.capture.ingest import ingest, ingest_lock, record_progress
from modelops_pipelines.operations.improve.training_sets import ROW_ID, frozen_table
from modelops_pipelines.operations.lake.incremental import derive_lock
from modelops_pipelines.store.filesystem.files import exclusive, write_atomically
from modelops_pipelines.store.lake.eraser import LakeEraser
from modelops_pipelines.store.spool import segments as spool
from modelops_pipelines.store.state.capture.erasures import Erasure, Erasures, subject_of
from modelops_pipelines.store.stores import Stores

ERASED = (SHADOW_LOG.name, LABELS.name, FEEDBACK.name, REJECTS.name, INFERENCE_LOG.name)
"""The order matters: the log goes last, because it says which labels are the user's; a restart needs it again."""
MARK = "erasure"
"""The consumer under which the windows of an erasure are remembered until it is finished."""
PATIENCE_SECONDS = 20.0
_HEADER_LENGTH = 200  # the gateway cuts a caller's header there
_PAUSE_SECONDS = 0.2
_REPORT = re.compile(r"drift-(\d{4}-\d\d-\d\d)T\d\d\.html")


@dataclass(frozen=True)
class Erased:
    """What an erasure took from an endpoint: rows by table, and frozen training sets that still hold some."""

    endpoint: str
    rows: Mapping[str, int]
    training_sets: Mapping[str, int]


@dataclass(frozen=True)
class _Plan:
    """What is to go: the rows as expressions, by table, how many they are now, and the windows that they lie in."""

    doomed: Mapping[str, pc.Expression]
    rows: Mapping[str, int]
    windows: frozenset[datetime]
    training_sets: Mapping[str, int]


def erase_user(
    stores: Stores, user: str, endpoints: Sequence[EndpointSpec], actor: str, patience: float | None = None
) -> list[Erased]:
    """Erase all that was captured of the user before this call; return what was erased, by endpoint.

    Killed at any instant and run again it ends in the same state; run once more it finds nothing. Raises InputError
    for what can be no user's id, BusyError when a gateway keeps its open segment for more than ``patience`` seconds.
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
            _take_in(stores, spec, opened[spec.name], seconds)
            found.append(_erase(stores, spec, forms, erasure))
    return found


def _erase(stores: Stores, spec: EndpointSpec, forms: Sequence[str], erasure: Erasure) -> Erased:
    erasures, eraser = Erasures(stores.database), LakeEraser(stores.settings.lake)
    plan = _plan(stores, eraser, spec, forms)
    erasures.record(erasure.id, plan.rows, plan.training_sets)
    _tell_frozen_sets(eraser, erasure, plan.training_sets)
    stores.touched_windows.mark(spec.name, [MARK], plan.windows)
    deleted = {name: eraser.delete(spec.name, name, plan.doomed[name]) for name in ERASED}
    with _nobody_reading(stores, spec):
        for name in ERASED:
            eraser.purge(spec.name, name)
    _renew(stores, spec)
    known = erasures.record(erasure.id, deleted, {})
    erasures.finish(erasure.id, stores.now())
    return Erased(spec.name, known.rows, known.training_sets)


def _take_in(stores: Stores, spec: EndpointSpec, opened: Sequence[Path], patience: float) -> None:
    """Ingest what the spool holds, and what was in writing at the start as soon as its gateway has sealed it."""
    deadline = time.monotonic() + patience
    while True:
        left = [path for path in opened if path.exists()]  # looked at first: what is gone now is ingested below
        for stream in STREAMS:
            ingest(stores, spec, stream)
        if not left:
            return
        if time.monotonic() > deadline:
            raise BusyError(
                f"Gateway worker {left[0].parent.name} has not sealed what it captured for {spec.name!r} "
                f"for over {patience:.0f} s",
                "See its log and the disk's space, or stop it (others seal for it then); then erase again",
            )
        time.sleep(_PAUSE_SECONDS)


def _forms(user: str) -> list[str]:
    """Return the id as it may have been kept: from a body as it is; from a header as Latin-1, and cut."""
    try:
        as_header = user.encode().decode("latin-1")
    except UnicodeEncodeError:
        as_header = ""
    if not as_header:
        raise InputError(f"{user!r} can be no user's id", "Name the user, as callers send it in X-User-Id")
    return sorted({form[:length] for form in (user, as_header) for length in (_HEADER_LENGTH, len(form))})


def _plan(stores: Stores, eraser: LakeEraser, spec: EndpointSpec, forms: Sequence[str]) -> _Plan:
    mine = pc.field("user_id").isin(list(forms))
    ids = eraser.find(spec.name, INFERENCE_LOG.name, mine, ["prediction_id"]).column("prediction_id").to_pylist()
    about_mine = pc.field("prediction_id").isin(pa.array(ids, pa.string()))
    doomed = {
        LABELS.name: about_mine,
        FEEDBACK.name: mine | about_mine,
        SHADOW_LOG.name: about_mine,
        REJECTS.name: _naming(forms),
        INFERENCE_LOG.name: mine,
    }
    when = {name: "date" if name == REJECTS.name else "event_time" for name in ERASED}
    found = {name: eraser.find(spec.name, name, doomed[name], [when[name]]).column(0) for name in ERASED}
    times = {moment for name in ERASED if name != REJECTS.name for moment in found[name].unique().to_pylist()}
    windows = frozenset(window_of(moment, spec.window) for moment in times)
    rows = {name: len(column) for name, column in found.items()}
    return _Plan(doomed, rows, windows, _frozen_sets(stores, eraser, spec, ids))


def _naming(forms: Sequence[str]) -> pc.Expression:
    """Return which rejects name the user: a line's raw text or its reason, as JSON or Python writes the id."""
    written = {way for form in forms for way in (form, orjson.dumps(form)[1:-1].decode(), repr(form)[1:-1])}
    return reduce(or_, [pc.match_substring(pc.field(name), way) for name in ("raw", "reason") for way in written])


def _frozen_sets(stores: Stores, eraser: LakeEraser, spec: EndpointSpec, ids: Sequence[str]) -> dict[str, int]:
    """Return the frozen sets that hold rows of these predictions, and how many each."""
    mine = pc.field(ROW_ID).isin(pa.array(ids, pa.string()))
    hashes = [known.content_hash for known in stores.training_sets.of(spec.name)] if ids else []
    counts = {content: len(eraser.find(spec.name, frozen_table(content), mine, [ROW_ID])) for content in hashes}
    return {content: count for content, count in counts.items() if count}


def _tell_frozen_sets(eraser: LakeEraser, erasure: Erasure, sets: Mapping[str, int]) -> None:
    """Write beside each set, whose own folder and hash stay as they are, that it holds rows of an erased subject."""
    for content, rows in sets.items():
        path = eraser.path(erasure.endpoint, f"{frozen_table(content)}.erasures.json")
        known = orjson.loads(path.read_bytes()) if path.exists() else []
        others = [one for one in known if one["erasure"] != erasure.id]
        mine = {"erasure": erasure.id, "subject": erasure.subject, "at": text(erasure.at), "rows": rows}
        write_atomically(path, orjson.dumps([*others, mine], option=orjson.OPT_INDENT_2))


def _renew(stores: Stores, spec: EndpointSpec) -> None:
    """Remove reports that show erased rows, mark the derived tables' windows, and count again."""
    touched = stores.touched_windows.pending(spec.name, MARK)
    days = {window.date().isoformat() for window in touched.windows}
    for path in (stores.settings.reports / spec.name).glob("drift-*.html"):
        match = _REPORT.fullmatch(path.name)
        if match and match[1] in days:
            path.unlink()
    stores.touched_windows.clear(spec.name, MARK, touched, dependents=sorted(_consumers(spec)))
    record_progress(stores, spec, None)


def _consumers(spec: EndpointSpec) -> set[str]:
    return {name for table in STREAMS.values() for name in spec.dependents(table.name)}


@contextmanager
def _nobody_reading(stores: Stores, spec: EndpointSpec) -> Iterator[None]:
    """Hold up this endpoint's ingests and recomputations: their files must not vanish under them."""
    with ExitStack() as held:
        for stream in STREAMS:
            held.enter_context(ingest_lock(stores, spec, stream))
        for table in lake_tables():
            if table.name in {*_consumers(spec), SHADOW_LOG.name}:
                held.enter_context(derive_lock(stores, spec, table))
        yield
