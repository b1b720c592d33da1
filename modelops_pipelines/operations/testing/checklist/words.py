"""Times, sizes and lists as the evidence of a checklist shows them."""

from collections.abc import Iterable
from datetime import datetime

from modelops_pipelines.core.windows import text

_MIB, _GIB = 1 << 20, 1 << 30
_NAMED = 5


def at(moment: datetime) -> str:
    """Return a time in UTC, to the second."""
    return text(moment.replace(microsecond=0))


def size(count: int) -> str:
    """Return a number of bytes as MiB or GiB."""
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / _MIB:.1f} MiB"


def names(of: Iterable[str]) -> str:
    """Return the first names, and how many more there are."""
    known = list(of)
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return f"{', '.join(known[:_NAMED])}{more}"
