"""A random sample of each day's predictions, and the unbiased estimate of quality that its verdicts give.

Each day is a stratum. Its predictions are ordered by a hash of their ids, seeded by endpoint and day, and the first are
drawn: each of the day's predictions with the same probability, and a repeated run draws the same ones.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean

_HASH_BYTES = 8
_LEAST_FOR_VARIANCE = 2


def draw(ids: Iterable[str], number: int, seed: str, drawn: Collection[str] = ()) -> list[str]:
    """Return ``number`` of the ids with equal probability, or all if there are fewer; the same ones for the same seed.

    ``drawn`` are those drawn before, which stay drawn. Of predictions that came late since, those are drawn that would
    have been, so that the result is what one draw of them all would give, if of some more.
    """
    placed = sorted((place(one, seed), one) for one in ids)
    last = max((place(one, seed) for one in drawn), default=-1.0)
    kept = sum(at <= last for at, _ in placed)
    return [one for _, one in placed[: max(number, kept)]]


def place(prediction_id: str, seed: str) -> float:
    """Return the id's place in the random order: from 0 to below 1, uniform over ids."""
    hashed = hashlib.blake2b(f"{seed}\n{prediction_id}".encode(), digest_size=_HASH_BYTES).digest()
    return int.from_bytes(hashed, "big") / 2.0 ** (8 * _HASH_BYTES)


@dataclass(frozen=True)
class Drawn:
    """A drawn prediction: its day, the probability with which it was drawn, and its value; None until it is judged."""

    day: str
    probability: float
    value: float | None


@dataclass(frozen=True)
class Estimate:
    """An estimate over all predictions of the days, with its confidence interval; None with the reason without one.

    ``predictions`` is how many there were on days with a judged draw, ``judged`` how many of the ``drawn`` count.
    """

    value: float | None
    low: float | None
    high: float | None
    judged: int
    drawn: int
    predictions: int
    reason: str | None


def estimate(sample: Sequence[Drawn], *, share: bool, confidence: float = 0.95) -> Estimate:
    """Return the mean value over all predictions of the sampled days, and its interval.

    The Horvitz-Thompson estimator of a stratified sample: the sum over days of N_d times the mean of the day's judged
    draws, over the sum of N_d, with N_d = draws / probability (D. Horvitz and D. Thompson 1952). Unbiased when all
    draws are judged, or those that are not are missing at random. Its variance is the sum of
    (N_d / N)^2 (1 - n_d / N_d) s^2 / n_d, with s^2 pooled over days (W. Cochran, Sampling Techniques, 1977, ch. 5).
    The interval of a ``share`` (values 0 and 1) is Wilson's at the sample size that has this variance (E. Korn and
    B. Graubard 1998), so that it stays within 0 and 1; that of other values is normal.
    """
    days: dict[str, list[Drawn]] = defaultdict(list)
    for one in sample:
        days[one.day].append(one)
    strata = [_Stratum.of(draws) for draws in days.values()]
    judged = [one for one in strata if one.values]
    if not judged:
        reason = "no drawn prediction is judged yet" if sample else "no prediction was drawn"
        return Estimate(None, None, None, 0, len(sample), 0, reason)
    total = sum(one.size for one in judged)
    mean = sum(one.size / total * fmean(one.values) for one in judged)
    counts = (sum(len(one.values) for one in judged), len(sample), round(total))
    deviation = _deviation(judged, total)
    if deviation is None:
        reason = "one judged prediction gives no interval" if counts[0] == 1 else "no day has two judged predictions"
        return Estimate(mean, None, None, *counts, reason)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    low, high = _wilson(mean, deviation, counts[0], z) if share else (mean - z * deviation, mean + z * deviation)
    return Estimate(mean, low, high, *counts, None)


@dataclass(frozen=True)
class _Stratum:
    """A day: how many predictions it has, and the values of its judged draws."""

    size: float
    values: list[float]

    @classmethod
    def of(cls, draws: Sequence[Drawn]) -> "_Stratum":
        return cls(len(draws) / draws[0].probability, [one.value for one in draws if one.value is not None])


def _deviation(strata: Sequence[_Stratum], total: float) -> float | None:
    """Return the estimate's standard deviation; None when no day has two judged draws."""
    free = sum(len(one.values) - 1 for one in strata)
    if free < _LEAST_FOR_VARIANCE - 1:
        return None
    squares = sum((value - fmean(one.values)) ** 2 for one in strata for value in one.values)
    parts = ((one.size / total) ** 2 * max(0.0, 1 - len(one.values) / one.size) / len(one.values) for one in strata)
    return sqrt(squares / free * sum(parts))


def _wilson(share: float, deviation: float, judged: int, z: float) -> tuple[float, float]:
    """Return Wilson's interval of a share, at the sample size at which a plain sample has this deviation."""
    size = share * (1 - share) / deviation**2 if deviation > 0 and 0 < share < 1 else float(judged)
    middle = (share + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    return max(0.0, middle - half), min(1.0, middle + half)
