"""Judges an endpoint's objectives: how much of each error budget is left, and whether it burns too fast.

The gateway judges live counts every few seconds; without a gateway, the hours of ``service_metrics`` are judged.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from modelops_pipelines.core.alerting.alerts import Traits, Verdict
from modelops_pipelines.core.alerting.objectives.burn_rates import (
    ABSENT,
    BURN_RATES,
    BURNS,
    LOOK_EVERY,
    Burn,
    Counts,
    judge_burn,
)
from modelops_pipelines.core.alerting.objectives.slo import (
    SLO,
    Budget,
    CountedSecond,
    Timeline,
    in_words,
    state_of_burns,
)
from modelops_pipelines.core.alerting.objectives.slo_messages import Words, verdict_message
from modelops_pipelines.core.endpoints.spec import EndpointSpec, Slo
from modelops_pipelines.core.endpoints.validation.slos import LATENCY, QUALITY
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange, apply_if_free, raise_alerts
from modelops_pipelines.operations.alerting.objectives.quality_windows import (
    quality_level,
    quality_rates,
    quality_windows,
)
from modelops_pipelines.operations.alerting.objectives.service_hours import counts_of, events_of, kept_of
from modelops_pipelines.store.stores import Stores

SETTLED = timedelta(seconds=2)
"""A look ends so long ago: until then other workers publish their counts."""
_LIVE_SECONDS = 3600
Recent = Iterable[CountedSecond]


@dataclass(frozen=True)
class SloState:
    """An objective with its budget and burn rates at a time; without events its budget is absent, never met."""

    slo: Slo
    budget: Budget
    burns: Sequence[Burn]
    at: datetime

    @property
    def state(self) -> str:
        """What its burn rates say: burns, undecided, clear or absent."""
        return state_of_burns(self.burns)[0]

    @property
    def gone_in(self) -> timedelta | None:
        """When the budget is gone at the rate of the window that burns, or else of the last days; None if never."""
        state, shown = state_of_burns(self.burns)
        if not self.burns:
            return None
        burn = shown if state == BURNS and shown is not None else self.burns[-1]
        too_fast = burn.long.share > 1 - self.slo.objective
        return self.budget.gone_in(burn.long, burn.rate.long) if too_fast or self.budget.left_events <= 0 else None

    @property
    def reason(self) -> str | None:
        """Why there is no budget; None where there is one."""
        return None if self.budget.counts.n else f"no {words_of(self.slo).events} in the last {self.slo.over.days} days"


@dataclass(frozen=True)
class Judged:
    """The states of objectives, the verdicts on them, and the alerts that changed."""

    states: Sequence[SloState] = ()
    verdicts: Sequence[Verdict] = ()
    changes: Sequence[AlertChange] = ()


def judge_slos(stores: Stores, spec: EndpointSpec, recent: Recent | None, now: datetime) -> list[Verdict]:
    """Return a verdict for each of the endpoint's objectives; none when there is nothing new to judge.

    ``recent`` are the counts of the last hour of all gateway workers: availability and latency are judged from them and
    from earlier hours, at most once every LOOK_EVERY in this process. None: quality is judged, and the others only
    while no gateway worker lives, from whole hours.
    """
    if not spec.slos:
        return []
    if recent is None:
        return _judge_stored(stores, spec, now)
    end = _look(now)
    kept = kept_of(stores, spec.name)
    if kept.judged == end:
        return []
    kept.judged = end
    seconds = _until(recent, end)
    judged = [slo for slo in spec.slos if slo.kind != QUALITY]
    if not seconds:  # most of many endpoints, most of the time: nothing is judged, and the lake is not read
        return [_verdict(SloState(slo, Budget(slo.objective, slo.over, Counts()), (), end)) for slo in judged]
    return [_verdict(_request_state(stores, spec, slo, end, seconds)) for slo in judged]


def slo_states(stores: Stores, spec: EndpointSpec, now: datetime, recent: Recent | None = None) -> list[SloState]:
    """Return the state of each objective, in the order of the YAML; with live counts, if given."""
    end = now if recent is None else _look(now)
    seconds = None if recent is None else _until(recent, end)
    return [
        _quality_state(stores, spec, slo, now)
        if slo.kind == QUALITY
        else _request_state(stores, spec, slo, end, seconds)
        for slo in spec.slos
    ]


def raise_slos(stores: Stores, spec: EndpointSpec, verdicts: Sequence[Verdict], now: datetime) -> list[AlertChange]:
    """Apply verdicts on the endpoint's objectives to its alerts; return what changed.

    It waits for nobody: while another process changes the endpoint's alerts, the next look tries again.
    """
    return apply_if_free(stores, spec.name, verdicts, now, traits=slo_traits(spec))


def judge_stored_slos(stores: Stores, spec: EndpointSpec, *, on_labels: bool) -> Judged:
    """Judge the endpoint's objectives on the lake, those on quality or the others; raise alerts.

    While a gateway worker lives, the verdicts on requests are to be shown only: it judges them from newer counts.
    """
    mine = [slo for slo in spec.slos if (slo.kind == QUALITY) == on_labels]
    if not mine:
        return Judged()
    now = stores.now()
    states = slo_states(stores, replace(spec, slos=tuple(mine)), now)
    verdicts = [_verdict(one) for one in states]
    if not on_labels and stores.deployments.acknowledgements(spec.name, now):
        return Judged(states, verdicts)
    return Judged(states, verdicts, raise_alerts(stores, spec.name, verdicts, traits=slo_traits(spec)))


def slo_traits(spec: EndpointSpec) -> Mapping[str, Traits]:
    """Return what the endpoint's objectives say of their alerts, by name."""
    return {slo.name: Traits(owner=slo.owner, runbook=slo.runbook) for slo in spec.slos}


def describe_slo(found: SloState) -> dict[str, Any]:
    """Return an objective's state as a row for people and programs; numbers are null without events."""
    slo, budget = found.slo, found.budget
    return {
        "slo": slo.name,
        "objective": slo.objective,
        "over_days": slo.over / timedelta(days=1),
        "events": budget.counts.n,
        "bad": budget.counts.bad,
        "good": 1 - budget.counts.share if budget.counts.n else None,
        "budget": budget.allowed if budget.counts.n else None,
        "left": budget.left,
        "burn_rate": budget.burn_rate,
        "state": found.state,
        "gone_in": None if found.gone_in is None else in_words(found.gone_in),
        "reason": found.reason,
    }


def words_of(slo: Slo) -> Words:
    """Return the words for an objective's events."""
    if slo.kind == QUALITY:
        bound = f"below {slo.at_least:g}" if slo.at_least is not None else f"above {slo.at_most:g}"
        return Words(slo.name, "windows", f"had {slo.metric} {bound}")
    if slo.kind == LATENCY:
        return Words(slo.name, "requests", f"took over {slo.under_ms:g} ms")
    return Words(slo.name, "requests", "failed")


def _judge_stored(stores: Stores, spec: EndpointSpec, now: datetime) -> list[Verdict]:
    has_gateway = bool(stores.deployments.acknowledgements(spec.name, now))
    return [_verdict(one) for one in _stored_states(stores, spec, now, has_gateway=has_gateway)]


def _stored_states(stores: Stores, spec: EndpointSpec, now: datetime, *, has_gateway: bool) -> Iterator[SloState]:
    for slo in spec.slos:
        if slo.kind == QUALITY:
            yield _quality_state(stores, spec, slo, now)
        elif not has_gateway:
            yield _request_state(stores, spec, slo, now, None)


def _request_state(
    stores: Stores, spec: EndpointSpec, slo: Slo, end: datetime, seconds: Sequence[CountedSecond] | None
) -> SloState:
    hours = events_of(stores, spec, slo, end)
    timeline = Timeline(hours, None if seconds is None else _by_second(slo, seconds))
    allowed = 1 - slo.objective
    burns = [
        judge_burn(rate, allowed, timeline.last(rate.long, end), timeline.last(rate.short, end)) for rate in BURN_RATES
    ]
    return SloState(slo, Budget(slo.objective, slo.over, timeline.last(slo.over, end)), burns, end)


def _quality_state(stores: Stores, spec: EndpointSpec, slo: Slo, now: datetime) -> SloState:
    windows, level = quality_windows(stores, spec, slo), quality_level(spec, slo)
    allowed = 1 - slo.objective
    burns = [
        judge_burn(rate, allowed, windows.last(rate.long), windows.last(rate.short), level)
        for rate in quality_rates(slo)
    ]
    end = windows.newest or now
    return SloState(slo, Budget(slo.objective, slo.over, windows.last(slo.over)), burns, end)


def _until(recent: Recent, end: datetime) -> list[CountedSecond]:
    """Return the counts of the hour before a look."""
    until = int(end.timestamp())
    return [one for one in recent if until - _LIVE_SECONDS <= one.second < until]


def _by_second(slo: Slo, seconds: Sequence[CountedSecond]) -> Mapping[int, Counts]:
    """Return the events of each second, of all workers."""
    found: dict[int, Counts] = {}
    for one in seconds:
        counts = counts_of(slo, one.requests, one.server_errors, one.latencies)
        before = found.get(one.second)
        found[one.second] = counts if before is None else before + counts
    return found


def _verdict(found: SloState) -> Verdict:
    slo, (state, burn) = found.slo, state_of_burns(found.burns)
    passed = None if state not in {BURNS, "clear"} else state != BURNS
    severity = slo.severity if burn is None or burn.rate.is_fast else "warning"
    n, value, threshold = 0, None, None
    if burn is not None and state != ABSENT:
        n, value, threshold = burn.long.n, burn.long.share / (1 - slo.objective), burn.rate.times
    message = verdict_message(words_of(slo), found.budget, state, burn, found.gone_in)
    return Verdict(slo.name, SLO, severity, passed, value, threshold, n, text(found.at), message)


def _look(now: datetime) -> datetime:
    """Return the end of the newest look: all processes look at the same times."""
    every = LOOK_EVERY.total_seconds()
    return datetime.fromtimestamp((now - SETTLED).timestamp() // every * every, UTC)
