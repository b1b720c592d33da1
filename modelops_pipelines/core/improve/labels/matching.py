"""Which prediction a label with a key belongs to: a function of what was captured, whatever the order of arrival.

What is known of a label only grows, and is joined by operations that are commutative, associative and idempotent: the
largest of two candidates, and the union of requests. So the same predictions give the same match in any order and in
any number of readings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from modelops_pipelines.core.ids import prediction_id
from modelops_pipelines.core.tables.keyed_labels import AMBIGUOUS, EXPIRED, MATCHED, WAITING


@dataclass(frozen=True, order=True)
class Candidate:
    """A prediction that a label may belong to; the larger one is nearer, ties are decided by the id."""

    event_time: datetime
    prediction_id: str


class Answered(NamedTuple):
    """An answered request that has the id which a label names.

    ``own`` says whether the API key that sent the label had sent the request, too.
    """

    rows: int
    event_time: datetime
    own: bool = False


@dataclass(frozen=True)
class Match:
    """What a label was matched to, and why to nothing."""

    status: str
    prediction: Candidate | None = None
    reason: str | None = None


def nearest(*found: Candidate | None) -> Candidate | None:
    """Return the nearest of candidates that are all in time; None without any."""
    return max((one for one in found if one is not None), default=None)


def match_of_entity(candidate: Candidate | None, *, open_: bool) -> Match:
    """Return the match of a label by entity and time."""
    if candidate is not None:
        return Match(MATCHED, candidate)
    return Match(WAITING if open_ else EXPIRED, None, "no prediction with these values is near enough before its time")


def joined_requests(*found: Mapping[str, Answered]) -> dict[str, Answered]:
    """Return the requests of all findings, by id: at most the first two of the label's own key, and two of others.

    Two are enough to know that the caller's id is ambiguous.
    """
    joined: dict[str, Answered] = {}
    for one in found:
        for name, answered in one.items():
            joined[name] = max(answered, joined.get(name, answered))
    kept: list[str] = []
    for own in (True, False):
        kept += sorted(name for name, answered in joined.items() if answered.own is own)[:2]
    return {name: joined[name] for name in sorted(kept)}


def match_of_request(found: Mapping[str, Answered], row: int, *, open_: bool) -> Match:
    """Return the match of a label by the caller's request id: none where two requests were given that id.

    Where the label's own key sent requests with that id, those of other keys do not count: nobody can take a label
    from another caller by sending its request id again.
    """
    own = {name: answered for name, answered in found.items() if answered.own}
    requests = own or found
    unmatched = WAITING if open_ else EXPIRED
    if not requests:
        return Match(unmatched, None, "no request with this client request id was answered")
    if len(requests) > 1:
        return Match(AMBIGUOUS, None, "two or more requests have this client request id: name the prediction by its id")
    ((request, (rows, event_time, _)),) = requests.items()
    if row >= rows:
        return Match(unmatched, None, f"the request has {rows} row(s), counted from 0, and no row {row}")
    return Match(MATCHED, Candidate(event_time, prediction_id(request, row)))


def replaced(earlier: Iterable[str], before: str | None, now: str | None) -> list[str]:
    """Return the predictions whose label is withdrawn: those matched before, without the one that is matched now."""
    named = {*earlier, *([] if before is None else [before])}
    return sorted(named - ({now} if now is not None else set()))
