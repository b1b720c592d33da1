"""Versions on trial: judged by the log and its labels, then promoted a step further or rolled back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import GateError
from modelops_pipelines.core.metrics.latency_sketch import upper_edge
from modelops_pipelines.core.release.desired_state import (
    ACTIVE,
    CHALLENGER,
    CHAMPION,
    DesiredState,
)
from modelops_pipelines.core.release.event_log import PROMOTE, Event, last_release
from modelops_pipelines.core.release.guards import Arm, Leg, Losses, Pairs, Verdict, judge_trial
from modelops_pipelines.core.release.sequential_tests import FAIL, PASS, Moments, Stratum
from modelops_pipelines.core.release.trial_counts import (
    REFERENCE_REQUESTS,
    REFERENCE_SECONDS,
    WARM_UP_SECONDS,
    slow_bucket,
)
from modelops_pipelines.core.tables.lake import LABELS, typed_for
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.operations.release.admission import is_covered
from modelops_pipelines.operations.release.apply import Change
from modelops_pipelines.operations.release.commands import promote
from modelops_pipelines.operations.release.settle import ABANDONED
from modelops_pipelines.operations.release.trials.questions import ask_person, withdraw_question
from modelops_pipelines.operations.release.trials.withdraw import record_verdict, withdraw_version
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.state.release.trials import Experiment
from modelops_pipelines.store.stores import Stores

DRIVER = "canary driver"
_NOTHING = (0, 0.0, 0.0, 0, 0.0, 0.0)
_NEVER = 10**9


@dataclass(frozen=True)
class Evidence:
    """What the log holds on challenger and champion side by side: traffic by share, and losses on labelled answers."""

    legs: tuple[Leg, ...]
    losses: Losses


@dataclass(frozen=True)
class Span:
    """A period in which the challenger had one share (percent) of the traffic."""

    since: datetime
    until: datetime
    share: int


@dataclass(frozen=True)
class TrialOutcome:
    """A trial's verdict and the change that followed; ``change`` is None where the trial continues unchanged.

    ``held`` is why the gate holds a canary at its step although its guards pass.
    """

    version: str
    verdict: Verdict
    change: Change | None
    held: str | None = None


def advance_trial(stores: Stores, spec: EndpointSpec) -> TrialOutcome | None:
    """Judge the endpoint's trial, then roll back or promote by a step accordingly; None where there is no trial.

    Pending rows of the spool are ingested first: a trial does not wait for the hourly monitoring. Only a canary that
    was started by ``promote`` advances automatically; any challenger that fails a guard is rolled back. A canary whose
    quality the labels do not decide holds its share, and an alert asks a person after a while (``questions.py``).
    """
    state = stores.deployments.desired(spec.name)
    if state.challenger is None or state.status != ACTIVE:
        withdraw_question(stores, spec)
        return None
    for stream in ("predictions", "labels"):
        ingest(stores, spec, stream)
    found = evidence(stores, spec, state)
    holds = spec.promotion.undecided == "hold"
    verdict = judge_trial(found.legs, found.losses, spec.guard, spec.promotion.minimum, needs_quality=holds)
    change, held = None, None
    if verdict.verdict == FAIL and spec.guard.automatic:
        change = withdraw_version(stores, spec, state, state.challenger, verdict, actor=DRIVER)
    else:
        record_verdict(stores, spec, state, state.challenger, verdict)
        if verdict.verdict == PASS:
            try:
                change = promote_next_step(stores, spec, state, verdict)
            except GateError as error:
                held = str(error)
                told = replace(verdict, reason=f"{verdict.reason}; held at its share by the gate: {error.message}")
                record_verdict(stores, spec, state, state.challenger, told)
    ask_person(stores, spec, state, verdict)
    return TrialOutcome(state.challenger, verdict, change, held)


def evidence(stores: Stores, spec: EndpointSpec, state: DesiredState) -> Evidence:
    """Return the log's evidence on the champion and the challenger since the trial began."""
    pair = str(state.champion), str(state.challenger)
    spans = spans_of(stores.deployments.events(spec.name), pair, stores.now())
    return evidence_of(stores, spec, pair, last_trial_spans(spans))


def evidence_of(stores: Stores, spec: EndpointSpec, pair: tuple[str, str], spans: Sequence[Span]) -> Evidence:
    """Return the log's evidence on a champion and a challenger in some spans."""
    if not spans:
        return Evidence((), Losses((), ()))
    tables = [log_table(stores, spec), typed_for(LABELS, spec.task)]
    champion, challenger = pair
    losses: list[Stratum] = []
    scores: list[Stratum] = []
    regression = {"regression": spec.task == "regression"}
    with stores.lake.query(spec.name, tables) as connected:
        connected.execute(sql.named("label_now"))
        bounds = {"starts": [span.since for span in spans], "ends": [span.until for span in spans]}
        arms = _arms(connected, {"versions": list(pair), **bounds, **regression}, len(spans))
        slow = _latency_pairs(connected, pair, bounds, spec.guard.slower)
        failures = _failures(connected, pair, {**bounds, **regression, "shares": [span.share for span in spans]})
        legs = [
            Leg(span.share, arms[number, challenger], arms[number, champion], failures[number], *slow[number])
            for number, span in enumerate(spans)
        ]
        for span in spans:
            parameters = {"versions": list(pair), "since": span.since, "until": span.until, "positive": _positive(spec)}
            rows = connected.execute(sql.named("trial_losses"), {**parameters, **regression}).fetchall()
            found = {row[0]: row[1:] for row in rows}
            sides = [found.get(version, _NOTHING) for version in (challenger, champion)]
            losses.append((Moments(*sides[0][:3]), Moments(*sides[1][:3])))
            scores.append((Moments(*sides[0][3:]), Moments(*sides[1][3:])))
    return Evidence(tuple(legs), Losses(tuple(losses), tuple(scores)))


def spans_of(events: Sequence[Event], pair: tuple[str, str], now: datetime) -> list[Span]:
    """Return all spans in which the champion and the challenger of the pair answered side by side, oldest first.

    Adjacent spans with the same share are merged.
    """
    found: list[Span] = []
    known = [event for event in events if "live" in event.evidence]
    for event, until in zip(known, [*(event.at for event in known[1:]), now], strict=True):
        live: Any = event.evidence["live"]
        roles = {role: version for version, role, _ in live["variants"]}
        if live["status"] != ACTIVE or (roles.get(CHAMPION), roles.get(CHALLENGER)) != pair:
            continue
        share = next(share for _, role, share in live["variants"] if role == CHALLENGER)
        if found and (found[-1].until, found[-1].share) == (event.at, share):
            found[-1] = Span(found[-1].since, until, share)
        else:
            found.append(Span(event.at, until, share))
    return found


def last_trial_spans(spans: Sequence[Span]) -> list[Span]:
    """Return the last spans without a gap between them: spans before an interruption belong to an earlier trial."""
    found: list[Span] = []
    for span in reversed(spans):
        if found and span.until != found[0].since:
            break
        found.insert(0, span)
    return found


def promote_next_step(stores: Stores, spec: EndpointSpec, state: DesiredState, verdict: Verdict) -> Change | None:
    """Promote a canary that has held its share for the soak time; None when it is too early, or no canary.

    Each step asks the gate again. A canary that was started by force advances by force, until there is a newer verdict
    than the one that the force overrode. Raises GateError, which holds the canary at its step.
    """
    begun = last_release(stores.deployments.events(spec.name))
    if begun is None or begun.action != PROMOTE or spec.promotion.strategy != "canary":
        return None
    if stores.now() - begun.at < spec.promotion.soak or running_test(stores, spec) is not None:
        return None
    version = str(state.challenger)
    force = is_covered(stores, spec, version, begun.evidence)
    reason = f"{verdict.reason}; started by force: {begun.reason}" if force else verdict.reason
    change = promote(stores, spec, version, actor=DRIVER, reason=reason, force=force, only_from=state.generation)
    return change if change.changed else None


def running_test(stores: Stores, spec: EndpointSpec) -> Experiment | None:
    """Return the endpoint's A/B test that has not ended; one whose versions no longer share the traffic is ended here.

    A test's deployment follows its start with a delay; a test that is not deployed within two minutes is ended too.
    """
    running = stores.trials.running(spec.name)
    if running is None:
        return None
    state, now = stores.deployments.desired(spec.name), stores.now()
    pair = (running.champion, running.challenger)
    spans = spans_of(stores.deployments.events(spec.name), pair, now)
    began = any(span.until > running.started_at for span in spans)
    if (state.champion, state.challenger) == pair or not (began or now - running.started_at > ABANDONED):
        return running
    stores.trials.end(replace(running, ended_at=now, decision="overtaken"))
    return None


def _arms(connected: Any, parameters: dict[str, Any], legs: int) -> dict[tuple[int, str], Arm]:
    """Return each version's traffic in each leg."""
    rows = connected.execute(sql.named("trial_arms"), parameters).fetchall()
    found = {(leg, version): Arm(*counts) for leg, version, *counts in rows}
    return {(leg, v): found.get((leg, v), Arm()) for leg in range(legs) for v in parameters["versions"]}


def _failures(
    connected: Any, pair: tuple[str, str], parameters: dict[str, Any]
) -> dict[int, dict[int, tuple[int, int]]]:
    """Return each leg's first failures of callers, by the challenger's per mille of those at risk."""
    found: dict[int, dict[int, tuple[int, int]]] = {leg: {} for leg in range(len(parameters["shares"]))}
    asked = {"champion": pair[0], "challenger": pair[1], **parameters}
    for leg, per_mille, challenger, champion in connected.execute(sql.named("trial_failures"), asked).fetchall():
        found[leg][per_mille] = (challenger, champion)
    return found


def _latency_pairs(
    connected: Any, pair: tuple[str, str], bounds: dict[str, list[datetime]], slower: float
) -> list[tuple[Pairs, float | None]]:
    """Return each leg's latency pairs, and above how many milliseconds an answer is slow; None: not known yet."""
    champion, challenger = pair
    asked = {"hour": REFERENCE_SECONDS, "warm_up": WARM_UP_SECONDS, "fewest": REFERENCE_REQUESTS}
    rows = connected.execute(sql.named("trial_reference"), {"champion": champion, **bounds, **asked}).fetchall()
    found = {leg: (last, _sketch(buckets)) for leg, last, buckets in rows}
    limits: list[int | None] = []
    after: list[float] = []
    for leg in range(len(bounds["starts"])):
        last, sketch = found.get(leg, (0.0, {}))
        limits.append(slow_bucket(sketch, slower))
        after.append(last)
    judged = {"challenger": challenger, "champion": champion, **bounds}
    slow = {"slow": [_NEVER if limit is None else limit for limit in limits], "after": after}
    rows = connected.execute(sql.named("trial_pairs"), judged | slow).fetchall()
    pairs = {leg: Pairs(*counts) for leg, *counts in rows}
    return [
        (Pairs(), None) if limit is None else (pairs.get(leg, Pairs()), upper_edge(limit))
        for leg, limit in enumerate(limits)
    ]


def _sketch(buckets: str) -> dict[int, int]:
    return {int(key): count for key, count in json.loads(buckets).items()}


def _positive(spec: EndpointSpec) -> str | None:
    return spec.positive_label if spec.task == "binary_classification" else None
