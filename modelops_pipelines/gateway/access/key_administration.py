"""Which API keys a caller administers: those of the whole gateway all, those of a team the team's own.

No new key reaches further than the one that makes it. A key for some endpoints, of a team or not, administers none: the
routes refuse it.
"""

from modelops_pipelines.core.access.api_keys import Grant, Key
from modelops_pipelines.core.errors import ForbiddenError
from modelops_pipelines.gateway.access.keyring import Caller


def administers(caller: Caller, key: Key) -> bool:
    """Return whether the caller may see, rotate and revoke a key."""
    return caller.endpoints is None or (caller.teams is not None and key.team in caller.teams)


def require_within(caller: Caller, wanted: Grant) -> None:
    """Raise ForbiddenError for a new key whose scope is not within the caller's.

    The error for another team, or its endpoint, is the same whether or not there is one.
    """
    if caller.endpoints is None:
        return
    teams = caller.teams or frozenset()
    if wanted.team not in teams:
        what = "for the whole gateway" if wanted.team is None else f"of the team {wanted.team!r}"
        raise ForbiddenError(
            f"{caller.shown} may not make a key {what}",
            f"Name its own team in 'team': {', '.join(sorted(teams)) or 'it has none'}",
        )
    for endpoint in wanted.endpoints or ():
        caller.require("admin", endpoint)
