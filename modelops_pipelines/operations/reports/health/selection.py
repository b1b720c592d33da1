"""Which part of an endpoint's history is looked at: how many windows, which version, which segment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.metrics.window_rows import known_segments, segment_text
from modelops_pipelines.store.stores import Stores

SHOWN = {"hour": 7 * 24, "day": 60}
"""Windows that the page covers unless it is asked for others."""
RANGES: Mapping[str, timedelta] = {f"{days}d" if days > 1 else "24h": timedelta(days=days) for days in (1, 7, 30, 90)}
"""The ranges of time that can be chosen. Each table's newest windows count, so that a quiet endpoint shows some."""
USUAL = {"hour": "7d", "day": "90d"}
"""The range of each size of window unless another one is chosen."""


@dataclass(frozen=True)
class Selection:
    """So many newest windows; of one version, and for quality of one segment value, unless those are None."""

    windows: int
    version: str | None = None
    segment: str | None = None


def windows_of(name: str, spec: EndpointSpec) -> int:
    """Return the number of the endpoint's windows in a range, "" for the usual one; raises InputError for no range."""
    chosen = name or USUAL[spec.window]
    if chosen not in RANGES:
        raise InputError(f"There is no range {name[:80]!r}", f"Choose one of {', '.join(RANGES)}")
    return max(1, RANGES[chosen] // LENGTH[spec.window])


def check_version(version: str, known: Iterable[str]) -> None:
    """Raise InputError for a version that neither the registry nor any row has."""
    names = list(dict.fromkeys(known))
    if version not in names:
        listed = ", ".join(names[:20]) or "none yet"
        raise InputError(f"There is no version {version[:80]!r} of this endpoint", f"Choose one of: {listed}")


def check_segment(stores: Stores, spec: EndpointSpec, segment: str, shown: Iterable[str]) -> None:
    """Raise InputError for a segment value that is neither among those shown nor in the longest range."""
    if segment in shown:
        return
    most = max(1, max(RANGES.values()) // LENGTH[spec.window])
    known = [segment_text(*one) for one in known_segments(stores, spec, most)]
    if segment not in known:
        listed = ", ".join(known[:20]) or "none: list features under 'segments' in the endpoint's YAML"
        raise InputError(f"There is no segment {segment[:80]!r}", f"Choose one of: {listed}")
