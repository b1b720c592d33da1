"""Whether a count proves that a rate is above a limit, by the exact tail of its distribution.

This is the lower bound of Clopper and Pearson, asked the other way round: the bound at level ``alpha`` is above the
limit exactly when the tail at the limit is at most ``alpha``. No normal approximation: small counts prove nothing.
"""

import math

_NEGLIGIBLE = 1e-18


def share_exceeds(bad: int, n: int, limit: float, alpha: float) -> bool:
    """Return whether ``bad`` of ``n`` prove, at level ``alpha``, that the share is above ``limit`` (0 to 1)."""
    if limit >= 1.0 or bad <= n * limit:
        return False
    if limit <= 0.0:
        return True  # what never happens has happened
    return probability_at_least(bad, n, limit) <= alpha


def rate_exceeds(count: int, expected: float, alpha: float) -> bool:
    """Return whether ``count`` events prove, at level ``alpha``, that more than ``expected`` were to be expected."""
    return count > expected and poisson_tail(count, expected) <= alpha


def probability_at_least(bad: int, n: int, share: float) -> float:
    """Return P(X >= bad) for X of a binomial distribution; exact but for rounding, also far out."""
    if bad <= 0:
        return 1.0
    if bad <= n * share:
        return max(0.0, 1.0 - _summed(range(bad - 1, -1, -1), n, share))
    return min(1.0, _summed(range(bad, n + 1), n, share))


def probability_at_most(bad: int, n: int, share: float) -> float:
    """Return P(X <= bad) for X of a binomial distribution."""
    return probability_at_least(n - bad, n, 1.0 - share)


def poisson_tail(count: int, expected: float) -> float:
    """Return the probability of at least ``count`` events, more than the ``expected`` ones."""
    if expected <= 0:
        return 0.0
    term = total = math.exp(count * math.log(expected) - expected - math.lgamma(count + 1))
    i = count
    while term > _NEGLIGIBLE * total:
        i += 1
        term *= expected / i
        total += term
    return min(1.0, total)


def _summed(terms: range, n: int, share: float) -> float:
    """Add up probabilities that fall from the first on; the rest is left out when it no longer counts."""
    if not terms or not 0 < share < 1:
        return float(share >= 1 and n in terms) + float(share <= 0 and 0 in terms)
    odds, first = share / (1 - share), terms[0]
    choices = math.lgamma(n + 1) - math.lgamma(first + 1) - math.lgamma(n - first + 1)
    term = math.exp(choices + first * math.log(share) + (n - first) * math.log1p(-share))
    total = term
    for k in terms[:-1]:
        term *= (n - k) / (k + 1) * odds if terms.step > 0 else k / (n - k + 1) / odds
        total += term
        if term <= total * _NEGLIGIBLE:
            break
    return total
