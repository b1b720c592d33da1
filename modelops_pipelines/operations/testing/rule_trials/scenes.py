"""Scenes: what synthetic requests are like when a rule must raise an alert, and when it must not.

A kind of rule names the scenes that can decide it, the ones most likely to first. They are played until one has raised
an alert and another was judged without one, so that a scene need not know a rule's operator.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from modelops_pipelines.core.endpoints.alert_rules import SERVICE_ALERT_OVER, AlertRule

Labels = Literal["as scored", "right", "wrong", "chance", "one class", "off"]
ROWS, FEWER_ROWS = 600, 300
"""Rows of an ordinary window, of rules that compare with the days before and of others."""
MOST_ROWS = 20_000
"""Rows of a window, at most."""
OFTEN = 6.0
FEW_ROWS = 5
_DEFAULT_LATENCY_MS = 5.0
_FACTORS = (2.0, 1.0, 0.4)
"""By how much the values of scenes differ from a rule's threshold."""


@dataclass(frozen=True)
class Scene:
    """How the requests of a scene differ from ordinary ones.

    ``failed`` and ``labelled`` are shares. ``shift`` moves every column, in standard deviations; ``missing`` is the
    share of values that are. ``labels`` says how the labels follow from the answers, ``off`` by how much those of a
    regression differ. ``unsure``: the scores are close to one half. ``rows`` of a window, None for as many as always.
    """

    about: str
    failed: float = 0.0
    latency_ms: float = _DEFAULT_LATENCY_MS
    shift: float = 0.0
    missing: float = 0.0
    labels: Labels = "as scored"
    labelled: float = 1.0
    off: float = 0.0
    unsure: bool = False
    rows: int | None = None


ORDINARY = Scene("ordinary requests")
_CHANGED = Scene("every column changed its values", shift=20.0, unsure=True)
_MISSING = Scene("nine values in ten are missing", missing=0.9)
_FAILING = Scene("every request fails", failed=1.0)
_RIGHT = Scene("every answer is right", labels="right")
_WRONG = Scene("every answer is wrong", labels="wrong")
_CHANCE = Scene("labels have nothing to do with the answers", labels="chance")
_ONE_CLASS = Scene("all labels are of one class", labels="one class")
_UNSURE = Scene("all scores are close to one half", unsure=True)
_UNLABELLED = Scene("no label arrives", labelled=0.0)
_HALF_LABELLED = Scene("half of the labels arrive", labelled=0.5)
_NONE = Scene("no request", rows=0)
_FEW = Scene("hardly any requests", rows=FEW_ROWS)
_MANY = Scene("many times the requests", rows=int(OFTEN * ROWS))


def scenes_of(rule: AlertRule) -> Sequence[Scene]:
    """Return the scenes that can decide a rule, the ordinary one first."""
    chosen = _BY_KIND.get(_family(rule.kind))
    return (ORDINARY, *(chosen(rule) if chosen else _anything(rule)))


def needs_history(kind: str) -> bool:
    """Return whether rules of a kind compare with the days before."""
    return _family(kind) in {"drift", "data_quality", "estimated_quality"}


def needs_labels(kind: str) -> bool:
    """Return whether rules of a kind are judged on labels."""
    return _family(kind) not in _WITHOUT_LABELS


def _family(kind: str) -> str:
    return "latency" if kind.startswith("latency") else kind


def _errors(rule: AlertRule) -> list[Scene]:
    between = sorted({limit for limit in rule.limits if 0 < limit < 1})
    shares = [share for limit in between for share in (min(1.0, limit * 1.5), limit / 2)]
    return [_FAILING, *(Scene(f"{share:.1%} of the requests fail", failed=share) for share in shares)]


def _latencies(rule: AlertRule) -> list[Scene]:
    times = [ms for limit in rule.limits for ms in (2 * limit, limit / 2)]
    return [Scene(f"every request takes {ms:g} ms", latency_ms=ms) for ms in times]


def _changes(_: AlertRule) -> list[Scene]:
    return [_CHANGED, _MISSING]


def _qualities(rule: AlertRule) -> list[Scene]:
    off = [Scene(f"every label is {by:g} off", labels="off", off=by) for limit in rule.limits for by in _around(limit)]
    return [_WRONG, _RIGHT, _CHANCE, _UNSURE, _ONE_CLASS, *off]


def _around(limit: float) -> tuple[float, float]:
    return 2 * abs(limit) + 1, -2 * abs(limit) - 1


def _estimates(_: AlertRule) -> list[Scene]:
    return [_UNSURE, _CHANGED]


def _volumes(rule: AlertRule) -> list[Scene]:
    counts = sorted({int(factor * limit) + 1 for limit in requests_at(rule) for factor in _FACTORS})
    many = [Scene(f"{count:,} requests in a window", rows=count) for count in counts if count <= MOST_ROWS]
    return [_NONE, _FEW, _MANY, *many]


def requests_at(rule: AlertRule) -> list[float]:
    """Return how many requests of its span are at the threshold of a rule on their number."""
    seconds = (rule.over or SERVICE_ALERT_OVER).total_seconds() if rule.kind == "throughput" else 1.0
    return [limit * seconds for limit in rule.limits]


def _coverages(_: AlertRule) -> list[Scene]:
    return [_UNLABELLED, _HALF_LABELLED]


def _anything(rule: AlertRule) -> list[Scene]:
    """Return every scene, for a rule whose value is the user's own."""
    return [
        _FAILING,
        _CHANGED,
        _WRONG,
        _RIGHT,
        _ONE_CLASS,
        _UNSURE,
        _UNLABELLED,
        _MISSING,
        _FEW,
        _MANY,
        *_latencies(rule),
    ]


_BY_KIND: Mapping[str, Callable[[AlertRule], list[Scene]]] = {
    "error_rate": _errors,
    "availability": _errors,
    "latency": _latencies,
    "drift": _changes,
    "data_quality": _changes,
    "quality": _qualities,
    "estimated_quality": _estimates,
    "volume": _volumes,
    "throughput": _volumes,
    "label_coverage": _coverages,
}
_WITHOUT_LABELS = {"error_rate", "availability", "latency", "drift", "data_quality", "volume", "throughput"}
