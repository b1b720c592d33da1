"""The guard against versions that end or block their process: verdicts from recorded crashes. No I/O.

A crash is decisive, unlike an ordinary error: it takes the requests beside it along. So two suffice, but a row on which
the version before crashes too is not held against the version.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from modelops_pipelines.core.release.guards import Verdict
from modelops_pipelines.core.release.sequential_tests import FAIL, INCONCLUSIVE

CRASH: Final = "crash"
HANG: Final = "hang"
SURVIVED, CRASHED, UNTESTED = "survived", "crashed", "untested"
CRASHES = 2
"""Crashes that a version on trial or in its watch period may not reach."""
ESTABLISHED_WITHIN = timedelta(minutes=10)
"""Within which a champion that has served for longer crashes on two different rows."""
LAST_WITHIN = timedelta(minutes=1)
"""The same for a champion that has no version before it: then the endpoint is stopped."""
PATIENCE = timedelta(seconds=15)
"""How long a verdict waits until the version before has been tried on the same rows."""
ROWS_APART = 2048
"""A request of more rows is told apart as a whole, not by its rows."""
GUARDS = {CRASH: "crashes", HANG: "hangs"}
_BYTES = 12


@dataclass(frozen=True)
class Crash:
    """One crash or hang of a version. ``rows`` are the hashes of the rows under way that may have caused it.

    ``reproduced`` says that the row, which was alone, made the version crash again; None while it is tried.
    ``compared`` is what the version before did on the same rows: survived, crashed or untested; None until it was
    tried.
    """

    kind: str
    cause: str
    rows: frozenset[str]
    at: datetime
    reproduced: bool | None = False
    compared: str | None = None


def row_hashes(columns: Mapping[str, Sequence[Any]], rows: int) -> list[str]:
    """Return a hash of each row's values; for more than ROWS_APART rows, one hash of all."""
    values = list(columns.values())
    if rows > ROWS_APART:
        return [_hash(repr(values))]
    return [_hash(repr([column[row] for column in values])) for row in range(rows)]


def crashes_of_rows(crashes: Sequence[Crash]) -> Counter[str]:
    """Return how often the version was called with each row and crashed; a row that is tried again counts already."""
    found: Counter[str] = Counter()
    for crash in crashes:
        found.update(dict.fromkeys(crash.rows, 1 if crash.reproduced is False else 2))
    return found


def judge_crashes(crashes: Sequence[Crash], now: datetime, *, on_trial: bool, is_last: bool) -> Verdict:
    """Judge a version by its crashes since it went live; FAIL when it must be withdrawn.

    ``on_trial`` is for a challenger, and a champion in its watch period; ``is_last`` for a champion that has no version
    before it. Crashes count only once the version before has been tried on the same rows, or PATIENCE is over.
    """
    known = [one for one in crashes if one.compared is not None or now - one.at > PATIENCE]
    counted = [one for one in known if one.compared != CRASHED]
    if is_last or not on_trial:
        within = LAST_WITHIN if is_last else ESTABLISHED_WITHIN
        counted = [one for one in counted if now - one.at <= within]
    times = sum(1 + bool(one.reproduced) for one in counted)
    different = _different(counted)
    failed = times >= CRASHES if on_trial and not is_last else different >= CRASHES
    kinds = Counter(one.kind for one in counted)
    guard = GUARDS[kinds.most_common(1)[0][0]] if kinds else GUARDS[CRASH]
    causes = dict(Counter(one.cause for one in counted))
    numbers = {"times": times, "different_rows": different, "causes": causes, "excused": len(known) - len(counted)}
    return Verdict(FAIL if failed else INCONCLUSIVE, guard, f"{guard}: {describe_crashes(counted)}", numbers)


def describe_crashes(crashes: Sequence[Crash]) -> str:
    """Return the crashes in words, with their causes and counts."""
    times = sum(1 + bool(one.reproduced) for one in crashes)
    causes = Counter(one.cause for one in crashes)
    said = ", ".join(f"{cause} ({count})" if count > 1 else cause for cause, count in causes.most_common(5))
    return f"the process ended or was blocked {times} time(s): {said}" if crashes else "no crash counts"


def _different(crashes: Sequence[Crash]) -> int:
    """Return how many of the crashes share no row with another that was counted."""
    rows: set[str] = set()
    count = 0
    for crash in sorted(crashes, key=lambda one: len(one.rows)):
        if rows.isdisjoint(crash.rows):
            count += 1
            rows |= crash.rows
    return count


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=_BYTES).hexdigest()
