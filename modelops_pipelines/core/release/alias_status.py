"""Status of a registry alias: in step with the live version, behind it, or moved by hand. No I/O."""

from collections.abc import Mapping
from typing import Final, Literal

AliasStatus = Literal["in step", "behind", "moved"]
IN_STEP: Final = "in step"
BEHIND: Final = "behind"
MOVED: Final = "moved"


def alias_status(alias: str, live: str | None, last_set: Mapping[str, str | None], found: str | None) -> AliasStatus:
    """Return the status of an alias: in step with what is live, behind it, or moved by hand.

    ``last_set`` has the aliases as last written from here; any other value in the registry was set by hand.
    """
    if found == live:
        return IN_STEP
    return BEHIND if found == last_set.get(alias) else MOVED
