"""Searches of feedback: checked conditions, and the place in the list where the next page begins.

The list is in the order of receipt, newest first; feedback received at the same microsecond is ordered by its id. A
page begins behind the last item of the page before: what comes or goes meanwhile repeats and hides no other item.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from modelops_pipelines.core.cursors import decode_cursor, encode_cursor
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.timestamps import from_micros, to_micros

LIMIT, MOST_ROWS = 50, 1000
LONGEST_TEXT = 200
LOWEST, HIGHEST = 1, 5
THUMBS = ("up", "down")
_PLACE = re.compile(r"(-?[0-9]{1,18})\.([0-9a-f]{32})")
_CURSOR_LENGTH = 100


@dataclass(frozen=True)
class Place:
    """A place in the list: behind the feedback that was received at this time and has this id."""

    received_at: datetime
    feedback_id: str

    @property
    def cursor(self) -> str:
        """The place as a text that a caller sends back."""
        return encode_cursor(f"{to_micros(self.received_at)}.{self.feedback_id}")


def place_of(cursor: str) -> Place:
    """Return the place that a cursor stands for; raises InputError for a text that is none."""
    match = None
    if len(cursor) <= _CURSOR_LENGTH:
        try:
            match = _PLACE.fullmatch(decode_cursor(cursor))
        except ValueError:
            match = None
    try:
        found = match and Place(from_micros(int(match[1])), match[2])
    except OverflowError:
        found = None
    if not found:
        raise InputError(f"{cursor[:60]!r} is not a cursor", "Send 'next' of the page before, or none for the first")
    return found


@dataclass(frozen=True)
class FeedbackSearch:
    """Conditions on feedback; None is no condition. Times are of receipt: from ``since`` on, and before ``until``.

    ``text`` is contained in the comment, whatever the case of its letters. ``version`` is the one that answered.
    """

    rating_from: int | None = None
    rating_to: int | None = None
    thumbs: str | None = None
    version: str | None = None
    text: str | None = None
    category: str | None = None
    flagged: bool | None = None
    assignee: str | None = None
    accepted: bool | None = None
    corrected: bool | None = None
    prediction_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def by_marks(self) -> bool:
        """Whether a condition is about what people did with feedback."""
        return any(one is not None for one in (self.flagged, self.assignee, self.accepted))


def check_search(search: FeedbackSearch) -> None:
    """Raise InputError for conditions that cannot be."""
    for name in ("rating_from", "rating_to"):
        given: int | None = getattr(search, name)
        if given is not None and not LOWEST <= given <= HIGHEST:
            raise InputError(f"{name} is {given}", f"Give a rating from {LOWEST} to {HIGHEST}")
    if search.thumbs is not None and search.thumbs not in THUMBS:
        raise InputError(f"thumbs is {search.thumbs[:40]!r}", f"Give one of: {', '.join(THUMBS)}")
    for name in ("version", "text", "category", "assignee", "prediction_id"):
        text: str | None = getattr(search, name)
        if text is not None and not 0 < len(text) <= LONGEST_TEXT:
            raise InputError(f"{name} has {len(text)} characters", f"Give 1 to {LONGEST_TEXT}")
    for name in ("since", "until"):
        moment: datetime | None = getattr(search, name)
        if moment is not None and moment.tzinfo is None:
            raise InputError(f"The time {name!r} has no time zone", "Add one, such as Z for UTC")


def check_limit(limit: int) -> None:
    """Raise InputError for a number of rows that no page has."""
    if not 1 <= limit <= MOST_ROWS:
        raise InputError(f"The limit {limit} is not from 1 to {MOST_ROWS}", "Request fewer rows at once, and page")
