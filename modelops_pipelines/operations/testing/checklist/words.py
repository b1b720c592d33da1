"""Times and lists as the evidence of a checklist shows them."""

from collections.abc import Iterable
from datetime import datetime

from modelops_pipelines.core.windows import text

_NAMED = 5


def at(moment: datetime) -> str:
    """Return a time in UTC, to the second."""
    return text(moment.replace(microsecond=0))


def names(of: Iterable[str]) -> str:
    """Return the first names, and how many more there are."""
    known = list(of)
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return f"{', '.join(known[:_NAMED])}{more}"
