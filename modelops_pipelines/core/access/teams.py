"""Teams: their names, and which endpoints are whose. An endpoint names its owners in its YAML: ``["team:risk"]``."""

from collections.abc import Iterable, Mapping
from typing import Final

from modelops_pipelines.core.errors import InputError

PREFIX: Final = "team:"
LONGEST_NAME: Final = 100
Owned = Mapping[str, frozenset[str]]
"""The names of the endpoints of each team; a team without any is left out."""


def team_named(text: str) -> str:
    """Return a team's name without its prefix; raises InputError for a text that names none."""
    name = text.removeprefix(PREFIX).strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InputError(
            f"{text[:120]!r} is not the name of a team", f"Use 1 to {LONGEST_NAME} printable characters, such as 'risk'"
        )
    return name


def owned_endpoints(owners: Iterable[tuple[str, Iterable[str]]]) -> Owned:
    """Return which endpoints are whose, from each endpoint's name and owners; owners that are persons own none."""
    found: dict[str, set[str]] = {}
    for endpoint, names in owners:
        for name in names:
            if name.startswith(PREFIX):
                found.setdefault(name.removeprefix(PREFIX).strip(), set()).add(endpoint)
    return {team: frozenset(endpoints) for team, endpoints in found.items()}


def endpoints_of(teams: Iterable[str], owned: Owned) -> frozenset[str]:
    """Return the endpoints which any of these teams owns."""
    return frozenset().union(*(owned.get(team, frozenset()) for team in teams))
