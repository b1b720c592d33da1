"""Whether a registry's alias says what is live, and if not, who is behind. Pure."""

from collections.abc import Mapping
from typing import Final, Literal

AliasStatus = Literal["in step", "behind", "moved"]
IN_STEP: Final = "in step"
BEHIND: Final = "behind"
MOVED: Final = "moved"


def alias_status(alias: str, live: str | None, last_set: Mapping[str, str | None], found: str | None) -> AliasStatus:
    """Return how an alias stands: in step with what is live, behind it, or moved by hand.

    ``last_set`` is what the registry was last told from here: what it holds beyond that, somebody else has put there.
    """
    if found == live:
        return IN_STEP
    return BEHIND if found == last_set.get(alias) else MOVED
