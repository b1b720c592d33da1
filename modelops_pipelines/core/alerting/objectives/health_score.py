"""An endpoint's health from 0 to 100: the weighted mean of its parts, and no more than the worst part allows.

Each part has points from 0 to 100, or none without evidence; a part without points counts neither for nor against.
The score never falls when the points of a part rise: the mean and every cap only rise with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

WHOLE = 100.0
AT_LIMIT = 50.0
"""The points of a part at its limit, where its alert begins."""
AVAILABILITY, LATENCY, QUALITY, DRIFT = "availability", "latency", "quality", "drift"
LEAST_WEIGHT = 30.0
"""What the parts with evidence must weigh together for a score: availability alone does, capture and budget do not."""
DATA, CAPTURE, BUDGET = "data", "capture", "budget"


@dataclass(frozen=True)
class Weight:
    """What a part counts in the mean, and the most that the score can be when the part has no points at all."""

    weight: float
    cap: float


WEIGHTS: Mapping[str, Weight] = MappingProxyType(
    {
        AVAILABILITY: Weight(30, 0),  # who gets no answer is not helped by the rest
        QUALITY: Weight(20, 40),  # answers that are wrong
        LATENCY: Weight(15, 40),  # answers that come too late for most callers
        DATA: Weight(10, 50),  # inputs in the wrong unit: the answers to them are wrong, before labels say so
        CAPTURE: Weight(10, 50),  # what is not captured cannot be judged: the other parts are out of date
        DRIFT: Weight(10, 70),  # a change of the inputs may be harmless
        BUDGET: Weight(5, 70),  # the past, which the present may have overcome
    }
)


@dataclass(frozen=True)
class Part:
    """A part's points, 0 to 100, and what they say; None without evidence, with the reason."""

    name: str
    points: float | None
    reason: str


@dataclass(frozen=True)
class HealthScore:
    """The score, or None with a reason; ``limited_by`` is the part that caps it, None where the mean is lower."""

    score: float | None
    reason: str
    parts: Sequence[Part]
    limited_by: str | None = None


def score_of(parts: Sequence[Part]) -> HealthScore:
    """Return the score of an endpoint from its parts, each at most once."""
    known = [(part.name, part.points) for part in parts if part.points is not None]
    if not known:
        return HealthScore(None, "no part has evidence yet", parts)
    weight = sum(WEIGHTS[name].weight for name, _ in known)
    if weight < LEAST_WEIGHT:
        names = " and ".join(name for name, _ in known)
        reason = f"too little evidence: only {names}, of weight {weight:g}; a score needs parts of {LEAST_WEIGHT:g}"
        return HealthScore(None, reason, parts)
    mean = sum(WEIGHTS[name].weight * points for name, points in known) / weight
    caps = {name: _cap(name, points) for name, points in known}
    worst = min(caps, key=lambda name: caps[name])
    unknown = len(parts) - len(known)
    more = f"; {unknown} of {len(parts)} parts have no evidence" if unknown else ""
    if caps[worst] < mean:
        return HealthScore(caps[worst], f"limited by its {worst}{more}", parts, worst)
    return HealthScore(mean, f"the weighted mean of its parts{more}", parts)


def _cap(name: str, points: float) -> float:
    floor = WEIGHTS[name].cap
    return floor + (WHOLE - floor) * points / WHOLE


def points_within(value: float, limit: float) -> float:
    """Return the points of a value that should stay below a limit: all at 0, half at the limit, none at twice it."""
    return _clip(WHOLE - AT_LIMIT * value / limit)


def points_of_share(good: float) -> float:
    """Return the points of a share of what is good, 0 to 1."""
    return _clip(WHOLE * good)


def points_beyond(value: float, limit: float, worst: float | None = None) -> float:
    """Return the points of a value that does no harm up to a limit: all up to it, then half, and ever fewer.

    With ``worst`` none are left there; without it, half as many at twice the limit.
    """
    if value <= limit:
        return WHOLE
    return _clip(AT_LIMIT * limit / value if worst is None else AT_LIMIT * (worst - value) / (worst - limit))


def _clip(points: float) -> float:
    return min(WHOLE, max(0.0, points))
