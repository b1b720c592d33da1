"""What a gateway worker counts each second, and publishes for the other workers: declared once for all who read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Count:
    """What one version answered in one second at one worker.

    ``failed`` counts requests that the version failed and the other version of the trial did not; ``shared`` those
    that both fail. ``fresh`` has the named callers with their first request since the share last changed, in order: a
    key and the latency's bucket in the sketch (core/metrics/latency_sketch.py). ``failing`` has the keys of those with
    their first failure since the trial began. An ``anonymous`` request is a caller of its own, with an error when it is
    among the ``anonymous_errors``; the second's first one stands in ``fresh`` too, without a key. ``latencies`` is a
    sketch of all requests. ``replays`` are failed requests tried again on both versions: how many, of these failed by
    this version only, by the other only. ``timings`` are answered requests timed again on both: how many, of these with
    this version only slow, the other only.
    """

    requests: int = 0
    failed: int = 0
    shared: int = 0
    anonymous: int = 0
    anonymous_errors: int = 0
    fresh: list[tuple[int | None, int]] = field(default_factory=list)
    failing: list[int] = field(default_factory=list)
    latencies: dict[int, int] = field(default_factory=dict)
    replays: list[int] = field(default_factory=lambda: [0, 0, 0])
    timings: list[int] = field(default_factory=lambda: [0, 0, 0])


@dataclass
class Second:
    """What an endpoint answered in one second at one worker; ``versions`` holds the versions that answered.

    ``cache_hits`` are the requests among all that got a kept answer: no version answered those.
    """

    second: int
    requests: int = 0
    rows: int = 0
    client_errors: int = 0
    server_errors: int = 0
    latencies: dict[int, int] = field(default_factory=dict)
    cache_hits: int = 0
    versions: dict[str, Count] = field(default_factory=dict)


def second_of(fields: Mapping[str, Any]) -> Second:
    """Return a published line's counts; a line of an older release has no hits, and no versions that can be counted."""
    counts = {name: fields[name] for name in ("second", "requests", "rows", "client_errors", "server_errors")}
    versions = {name: _count(one) for name, one in fields.get("versions", {}).items() if "timings" in one}
    hits = fields.get("cache_hits", 0)
    return Second(**counts, latencies=_sketch(fields["latencies"]), cache_hits=hits, versions=versions)


def _count(fields: Mapping[str, Any]) -> Count:
    fresh = [(key, bucket) for key, bucket in fields["fresh"]]
    return Count(**{**fields, "latencies": _sketch(fields["latencies"]), "fresh": fresh})


def _sketch(buckets: Mapping[str, int]) -> dict[int, int]:
    return {int(key): count for key, count in buckets.items()}
