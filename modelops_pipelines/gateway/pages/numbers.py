"""Numbers of alerts, silences, items of a queue and versions, as addresses and forms have them."""

from modelops_pipelines.core.errors import InputError, UnknownError
from modelops_pipelines.gateway.pages.visits import Visit

MOST = 2**53
_DIGITS = 9


def number_in(visit: Visit, what: str) -> int:
    """Return the number in the page's address; raises UnknownError for a text that is the number of none."""
    given = visit.path["number"]
    if not (given.isascii() and given.isdecimal()) or not 0 < int(given[:20]) <= MOST:
        raise UnknownError(f"There is no {what} {given[:40]!r}", f"See the list of {what}s for their numbers")
    return int(given)


def number_of(text: str) -> int | None:
    """Return a number that a query gives; None for none, or for a text that is the number of nothing."""
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text[:20]) <= MOST else None


def version_of(given: str) -> str:
    """Return a version's number as it is written in the registry; raises InputError."""
    if not (given.isascii() and given.isdecimal() and len(given) <= _DIGITS and not given.startswith("0")):
        raise InputError(f"{given[:40]!r} is not the number of a version", "Choose one of the versions on the page")
    return given
