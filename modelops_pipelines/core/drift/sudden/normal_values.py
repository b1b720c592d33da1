"""What is normal for a feature, small enough to be kept in a file and to be read by the gateway.

It comes from the days before, as data quality knows them, or, while there are too few of these, from the training set.
Categories are kept as digests: the file names no value of anybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from modelops_pipelines.core.drift.usual_values import Usual
from modelops_pipelines.core.profiles.categorical import NAME_LENGTH
from modelops_pipelines.core.profiles.profile import CATEGORY_LIMIT, Kind, Profile

TENTH = 10.0
FAR = 3.0
"""How far outside a training set's range, in widths of the range, a value is beyond what other days may bring."""


@dataclass(frozen=True)
class Normal:
    """What is normal: numbers from ``least`` to ``most``, the ``known`` categories, and shares of unusual values.

    ``rare`` is the usual share of other categories, ``missing`` of missing values, ``constant`` that of the most
    frequent number (1: not judged). None: not judged. ``trained`` is whether it comes from the training set.
    """

    kind: Kind
    least: float | None = None
    most: float | None = None
    known: frozenset[str] | None = None
    rare: float = 0.0
    missing: float = 0.0
    constant: float = 1.0
    trained: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return {**vars(self), "known": None if self.known is None else sorted(self.known)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Normal":
        """Read what ``to_dict`` returned."""
        return cls(**{**data, "known": None if data["known"] is None else frozenset(data["known"])})


@lru_cache(maxsize=10_000)
def digest_of(category: str) -> str:
    """Return the digest by which a category is known."""
    return blake2b(category[:NAME_LENGTH].encode(errors="surrogatepass"), digest_size=8).hexdigest()


def normal_of_days(usual: Usual) -> Normal:
    """Return what is normal by the days before, with more room than data quality leaves: it looks again each hour."""
    known = None if usual.known is None else frozenset(map(digest_of, usual.known))
    least, most = (None, None) if usual.low is None or usual.high is None else _wide(usual, usual.low, usual.high)
    return Normal(usual.kind, least, most, known, usual.rare, usual.missing, usual.constant)


def _wide(usual: Usual, low: float, high: float) -> tuple[float, float]:
    """Return the range with its width on each side; on the side of zero at most to a tenth of what is in range."""
    width = high - low
    least = low - width if low <= 0 or low > width else max(0.0, usual.least / TENTH)
    most = high + width if high >= 0 or -high > width else min(0.0, usual.most / TENTH)
    return least, most


def normal_of_training(profile: Profile) -> Normal:
    """Return what is normal by a version's training set: much wider, since other days bring other values.

    A number that never varied, and categories that are too many to be named, are not judged. Where all numbers are
    positive, one that is not is abnormal.
    """
    missing = profile.missing / profile.n if profile.n else 1.0
    if profile.bins.kind == "categorical":
        is_known = profile.other == 0 and 0 < len(profile.bins.categories) < CATEGORY_LIMIT
        known = frozenset(map(digest_of, profile.bins.categories)) if is_known else None
        return Normal("categorical", known=known, missing=missing, trained=True)
    low, high = profile.minimum, profile.maximum
    if profile.bins.kind != "numeric" or low is None or high is None or low == high:
        return Normal(profile.bins.kind, missing=missing, trained=True)
    room = FAR * (high - low)
    return Normal(
        "numeric", max(low - room, 0.0) if low > 0 else low - room, high + room, missing=missing, trained=True
    )
