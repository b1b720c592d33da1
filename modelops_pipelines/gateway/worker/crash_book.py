"""What this worker knows of crashes: it records its own before their callers are answered, and refuses killing rows.

All workers of a home share the records. A file that each has mapped into memory tells that there are new ones, so that
a request costs no query while nothing has crashed.
"""

import logging
import mmap
import os
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError, RefusedRowError
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.core.release.crash_guard import (
    CRASHED,
    ESTABLISHED_WITHIN,
    SURVIVED,
    UNTESTED,
    Crash,
    crashes_of_rows,
    row_hashes,
)
from modelops_pipelines.gateway.version_process.answering import Order
from modelops_pipelines.gateway.version_process.launcher import Launcher
from modelops_pipelines.gateway.version_process.version_process import Ended, VersionProcess, survives
from modelops_pipelines.operations.model_runtime.loaded_model import Rows
from modelops_pipelines.operations.release.trials.crashes import contain_crashes, resolve_crashes, version_before
from modelops_pipelines.store.filesystem.files import reserve
from modelops_pipelines.store.stores import Stores

RECENT = ESTABLISHED_WITHIN + timedelta(minutes=1)
"""For how long after a crash its endpoint is judged."""
TRIALS, TRIALS_WAITING = 2, 16
"""Crashes whose rows are tried apart from the endpoints at a time, and how many may be waiting for it."""
TRIES = 2
"""Crashes after which a row is refused."""
_BELL = 8
_Key = tuple[str, str]
_LOG = logging.getLogger("modelops.gateway")


class CrashBook:
    """The crashes of versions, as this worker records and uses them."""

    def __init__(self, stores: Stores, worker: str) -> None:
        """Share the records of the home; there is no file before the first crash."""
        self._stores, self._worker = stores, worker
        self._bell = _map_bell(stores.settings.home / "locks")
        self._heard = b""
        self._is_stale = True
        self._suspects: dict[_Key, Counter[str]] = {}
        self._newest: dict[str, datetime] = {}
        self._judged_since: datetime | None = None
        self._unwritten: list[tuple[_Key, str, Crash]] = []
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(TRIALS_WAITING)
        self._trials = ThreadPoolExecutor(TRIALS, thread_name_prefix="crashes")

    def suspects(self, endpoint: str, version: str) -> "SuspectRows":
        """Return the rows of a version that are suspected, now and later."""
        return SuspectRows(self, (endpoint, version))

    def record(self, process: VersionProcess, launcher: Launcher, ended: Ended) -> None:
        """Record a crash, then have its rows tried apart from the endpoint: on the version, and on the version before.

        A row that was alone is refused from now on, because it is tried the second time. Without the state database the
        crash is kept until that is back.
        """
        under_way = list(ended.under_way)
        is_free = self._places.acquire(blocking=False)
        again = is_free and len(under_way) == 1 and _count(under_way[0]) == 1
        rows = frozenset(row for columns in under_way for row in row_hashes(columns, _count(columns)))
        crash = Crash(ended.kind, ended.cause, rows, self._stores.now(), None if again else False)
        order = process.order
        number = self._write((order.spec.name, order.version.version), order.version.model_name, crash)
        if number is not None and is_free:
            self._trials.submit(self._try, number, process, launcher, under_way, again=again)
            return
        if is_free:
            self._places.release()
        if number is not None:
            self._conclude(number, reproduced=False, compared=UNTESTED)

    def record_left(self, key: _Key, model_name: str, crash: Crash) -> None:
        """Record a crash of a version that took a whole worker along."""
        self._write(key, model_name, crash)

    def known(self, key: _Key) -> Counter[str]:
        """Return how often the version crashed on each suspected row."""
        if self._bell[:_BELL] != self._heard:
            self._read()
        return self._suspects.get(key, Counter())

    def acquit(self, key: _Key, rows: set[str]) -> None:
        """Suspect these rows of a version no longer: it has answered them."""
        with self._lock:
            known = self._suspects.get(key, Counter())
            for row in rows:
                known.pop(row, None)
        self._trials.submit(self._acquit, key, rows)

    def judge(self, specs: Sequence[EndpointSpec]) -> None:
        """Write what is unwritten, and contain the versions that crash; called twice a second."""
        if self._is_stale:
            self._read()
        with self._lock:
            unwritten, self._unwritten = self._unwritten, []
        for key, model_name, crash in unwritten:
            self._write(key, model_name, crash)
        since, self._judged_since = self._judged_since, self._stores.now() - RECENT
        for spec in specs:
            newest = self._newest.get(spec.name)
            if newest is not None and (since is None or newest > since):
                self._contain(spec)

    def close(self) -> None:
        """End the threads."""
        self._trials.shutdown(wait=False, cancel_futures=True)

    def _contain(self, spec: EndpointSpec) -> None:
        """Judge one endpoint; an error is logged, and the others are judged nevertheless."""
        try:
            change = contain_crashes(self._stores, spec)
            if change is not None:
                _LOG.error("Watchdog: %s", change.sentence)
            resolve_crashes(self._stores, spec)
        except (ModelOpsError, SQLAlchemyError) as error:
            _LOG.warning("The crashes of endpoint %s could not be judged, next attempt soon: %s", spec.name, error)

    def _try(
        self, number: int, process: VersionProcess, launcher: Launcher, requests: Sequence[Columns], *, again: bool
    ) -> None:
        """Try the rows of a crash on the version before, and with ``again`` then on the version itself."""
        order = process.order
        try:
            compared = self._compare(order, launcher, requests, process.deadline)
            self._conclude(number, reproduced=None if again else False, compared=compared)
            if not again:
                return
            survived = survives(order, launcher, requests, process.limit(1))
            self._conclude(number, reproduced=survived is False, compared=compared)
            if survived:
                self._acquit((order.spec.name, order.version.version), set(row_hashes(requests[0], 1)))
        finally:
            self._places.release()

    def _compare(self, order: Order, launcher: Launcher, requests: Sequence[Columns], seconds: float) -> str:
        """Return what the version before does on the requests; untested where there is none, or it takes others."""
        other = version_before(self._stores, order.spec, order.version.version)
        known = self._stores.deployments.version(order.spec.model_name, other) if other else None
        if known is None or not requests or any(set(known.inputs) - set(columns) for columns in requests):
            return UNTESTED
        given = [{name: columns[name] for name in known.inputs} for columns in requests]
        survived = survives(replace(order, version=known, proven=None), launcher, given, seconds)
        return UNTESTED if survived is None else SURVIVED if survived else CRASHED

    def _conclude(self, number: int, *, reproduced: bool | None, compared: str) -> None:
        _logged(lambda: self._stores.crashes.conclude(number, reproduced=reproduced, compared=compared))
        self._ring()

    def _acquit(self, key: _Key, rows: set[str]) -> None:
        _logged(lambda: self._stores.crashes.acquit(*key, rows))
        self._ring()

    def _write(self, key: _Key, model_name: str, crash: Crash) -> int | None:
        number: int | None = None
        try:
            number = self._stores.crashes.record(key[0], model_name, key[1], self._worker, crash)
        except (ModelOpsError, SQLAlchemyError) as error:
            _LOG.warning("A crash of version %s of %s could not be recorded yet: %s", key[1], key[0], error)
            with self._lock:
                self._unwritten.append((key, model_name, crash))
                self._suspects.setdefault(key, Counter()).update(crash.rows)
            return None
        self._ring()
        return number

    def _ring(self) -> None:
        self._bell[:_BELL] = secrets.token_bytes(_BELL)

    def _read(self) -> None:
        """Read all crashes again; while the database is down, what is known stays."""
        self._heard = self._bell[:_BELL]
        try:
            recorded = self._stores.crashes.all()
        except (ModelOpsError, SQLAlchemyError) as error:
            if not self._is_stale:
                _LOG.warning("The crashes cannot be read; those known before stay in use: %s", error)
            self._is_stale = True  # ``judge`` reads again
            return
        groups: dict[_Key, list[Crash]] = {}
        for one in recorded:
            groups.setdefault((one.endpoint, one.version), []).append(one.crash)
        with self._lock:
            self._suspects = {key: crashes_of_rows(crashes) for key, crashes in groups.items()}
            self._newest = {one.endpoint: one.crash.at for one in recorded}
            self._is_stale = False


class SuspectRows:
    """The rows of one version during which it crashed: the batcher asks before it predicts, and acquits afterwards."""

    def __init__(self, book: CrashBook, key: _Key) -> None:
        """Look up the version's rows in the book."""
        self._book, self._key = book, key

    def refusal(self, rows: Rows) -> ModelOpsError | None:
        """Return why the rows are refused: one of them was under way at two crashes and was never answered since."""
        known = self._book.known(self._key)
        if not known:
            return None
        tried = [known[row] >= TRIES for row in row_hashes(rows.columns, rows.count)]
        if not any(tried) and known[str(rows.digest)] < TRIES:
            return None
        what = f"Row {tried.index(True)}" if any(tried) else "This request"
        return RefusedRowError(
            f"{what} has crashed version {self._key[1]}, so the version is not called with it again",
            "Send the other rows without it. The alert 'crashes' tells the endpoint's owner",
        )

    def acquit(self, rows: Rows) -> None:
        """Suspect the rows no longer."""
        known = self._book.known(self._key)
        if known:
            answered = {str(rows.digest), *row_hashes(rows.columns, rows.count)} & set(known)
            if answered:
                self._book.acquit(self._key, answered)


def _count(columns: Columns) -> int:
    return len(next(iter(columns.values()), ()))


def _logged(write: Callable[[], None]) -> None:
    try:
        write()
    except (ModelOpsError, SQLAlchemyError) as error:
        _LOG.warning("What was found about a crash could not be recorded: %s", error)


def _map_bell(folder: Path) -> mmap.mmap:
    """Return the shared bell: eight bytes that change whenever a crash was recorded."""
    folder.mkdir(parents=True, exist_ok=True)
    opened = os.open(folder / "crashes.bell", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        reserve(opened, _BELL)
        return mmap.mmap(opened, _BELL)
    finally:
        os.close(opened)
