"""Which endpoints a caller may make: of the whole gateway all, of a team the team's own and no other's."""

from collections.abc import Sequence

from modelops_pipelines.core.access.teams import PREFIX
from modelops_pipelines.core.errors import ForbiddenError
from modelops_pipelines.gateway.access.keyring import Caller


def require_own(caller: Caller, owners: Sequence[str]) -> None:
    """Raise ForbiddenError for an endpoint with these owners that would not be of the caller's team, or of another too.

    The error is the same whether or not there is another team. A person's address may always be among the owners.
    """
    if caller.endpoints is None:
        return
    teams = caller.teams or frozenset()
    named = {owner.removeprefix(PREFIX).strip() for owner in owners if owner.startswith(PREFIX)}
    if not named or not named <= teams:
        own = ", ".join(f"{PREFIX}{team}" for team in sorted(teams))
        raise ForbiddenError(
            f"{caller.shown} may make endpoints of its own team alone", f"Name in 'owners': {own or 'it has no team'}"
        )


def is_own(caller: Caller, owners: Sequence[str]) -> bool:
    """Return whether an endpoint with these owners is the caller's, also one that has come since it asked."""
    mine = {f"{PREFIX}{team}" for team in caller.teams or ()}
    return caller.endpoints is None or not mine.isdisjoint(owners)
