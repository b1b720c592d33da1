"""How far reviewers agree: Cohen's kappa, the agreement beyond what chance alone would give."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

Ratings = Mapping[str, Mapping[str, str]]
"""For each prediction, the category that each reviewer gave it."""


@dataclass(frozen=True)
class Kappa:
    """Kappa between reviewers, from -1 to 1; None with the reason where it is undefined.

    ``pairs`` counts the pairs of reviewers with a kappa, ``shared`` the predictions with verdicts of two or more
    reviewers, ``agreed`` those of them on which all agree.
    """

    value: float | None
    reason: str | None
    pairs: int
    shared: int
    agreed: int


def agreement(ratings: Ratings) -> Kappa:
    """Return the mean of Cohen's kappa over all pairs of reviewers who judged the same predictions (Light 1971)."""
    shared = {one: given for one, given in ratings.items() if len(given) > 1}
    agreed = sum(len(set(given.values())) == 1 for given in shared.values())
    pairs = _pairs(shared)
    found = [kappa for kappa in map(cohens_kappa, pairs.values()) if kappa is not None]
    if found:
        return Kappa(sum(found) / len(found), None, len(found), len(shared), agreed)
    every = "every pair of reviewers gave one and the same category throughout, so that chance agrees as often"
    return Kappa(None, every if pairs else "no prediction has verdicts of two reviewers", 0, len(shared), agreed)


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return kappa = (p_o - p_e) / (1 - p_e) of two reviewers' categories; None where chance alone always agrees.

    p_o is the share of predictions with the same category; p_e the sum over categories of the product of the shares
    with which each of the two gives them (J. Cohen, A coefficient of agreement for nominal scales, 1960).
    """
    if not pairs:
        return None
    n = len(pairs)
    first, second = (Counter(pair[side] for pair in pairs) for side in (0, 1))
    by_chance = sum(first[category] * second[category] for category in first)
    if by_chance == n * n:
        return None
    same = sum(one == other for one, other in pairs)
    return (n * same - by_chance) / (n * n - by_chance)


def _pairs(shared: Ratings) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Return the categories that two reviewers gave the same predictions, by the pair of reviewers."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for given in shared.values():
        for one, other in combinations(sorted(given), 2):
            found.setdefault((one, other), []).append((given[one], given[other]))
    return found
