"""Numbers of alerts, silences and items of a queue in an address."""

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.gateway.pages.visits import Visit

MOST = 2**53


def number_in(visit: Visit, what: str) -> int:
    """Return the number in the page's address; raises UnknownError for a text that is the number of none."""
    given = visit.path["number"]
    if not (given.isascii() and given.isdecimal()) or not 0 < int(given[:20]) <= MOST:
        raise UnknownError(f"There is no {what} {given[:40]!r}", f"See the list of {what}s for their numbers")
    return int(given)


def number_of(text: str) -> int | None:
    """Return a number that a query gives; None for none, or for a text that is the number of nothing."""
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text[:20]) <= MOST else None
