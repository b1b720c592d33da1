"""Answers that are kept for equal requests for a time: of one endpoint, in one worker.

An answer is kept as JSON, of which each request makes objects of its own: what happens to them reaches no other one. It
is kept under a hash of the request's content: neither features nor callers stay in memory. For the event loop's thread
only; the caller says what time it is.
"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

import orjson

from modelops_pipelines.core.endpoints.cache import CachePolicy
from modelops_pipelines.core.timestamps import to_micros
from modelops_pipelines.operations.model_runtime.loaded_model import Outcome, Rows

ENTRY_BYTES = 512
"""What an entry takes beside its content: the hash, the objects, its place among the others."""
_MIB = 1024 * 1024
_HASH_BYTES = 32


def content_hash(version: str, rows: Rows) -> bytes:
    """Return the hash of what a version's answer to a request depends on: its rows as they were read, its parameters.

    Values have their columns' types by then, so that equal values are equal bytes, and others are not: 1 and 1.0 of an
    integer column are the same value, 0.0 and -0.0 are two, and a column that is left out differs from one of nulls.
    Parameters, which have no types yet, are told apart as they were written, but for their order.
    """
    params = None if rows.params is None else sorted(rows.params.items())
    content = orjson.dumps([version, rows.columns, params], default=to_micros, option=orjson.OPT_PASSTHROUGH_DATETIME)
    return blake2b(content, digest_size=_HASH_BYTES).digest()


def kept_form(outcome: Outcome) -> bytes:
    """Return an answer as it is kept: what ``outcome_of`` makes of it answers the same bytes, and is the same row.

    It is copied, because what orjson returns holds its whole buffer: sixteen times a small answer's size.
    """
    parts = [outcome.output, outcome.predictions, outcome.scores]
    return bytes(memoryview(orjson.dumps(parts, option=orjson.OPT_SERIALIZE_NUMPY)))


def outcome_of(kept: bytes) -> Outcome:
    """Return an answer from its kept form, of objects that nobody else has."""
    output, predictions, scores = orjson.loads(kept)
    return Outcome(output, predictions, scores)


@dataclass(frozen=True, slots=True)
class _Entry:
    content: bytes
    until: float

    @property
    def bytes(self) -> int:
        return len(self.content) + ENTRY_BYTES


class PredictionCache:
    """The kept answers; what was not used for longest leaves first."""

    def __init__(self, policy: CachePolicy) -> None:
        """Begin empty."""
        self._seconds, self._most = policy.ttl.total_seconds(), policy.entries
        self._most_bytes = policy.max_mib * _MIB
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        """Return how many answers there are, with those whose time is over and whose room nobody needed yet."""
        return len(self._entries)

    def find(self, key: bytes, now: float) -> bytes | None:
        """Return the kept form of an answer, by its request's hash; None without one. ``now``: monotonic seconds."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry.until:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry.content

    def keep(self, key: bytes, outcome: Outcome, now: float) -> None:
        """Keep an answer from now on, unless rows of it are unanswered, or it alone exceeds the memory."""
        if outcome.unanswered:
            return
        entry = _Entry(kept_form(outcome), now + self._seconds)
        if entry.bytes > self._most_bytes:
            return
        self._remove(key)
        self._entries[key] = entry
        self.bytes += entry.bytes
        while len(self._entries) > self._most or self.bytes > self._most_bytes:
            self._remove(next(iter(self._entries)))

    def _remove(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.bytes
