"""During a deployment: whether workers serve the version, and how its first answers are."""

from modelops_pipelines.core.release.checklist import (
    FAILED,
    PASSED,
    UNKNOWN,
    Finding,
    State,
    failed,
    judge_first,
    judge_share,
    passed,
    unknown,
)
from modelops_pipelines.core.release.deployment_states import DEPLOY_TIME, LIVE
from modelops_pipelines.core.release.deployment_states import FAILED as NOT_SERVED
from modelops_pipelines.core.release.deployment_states import STOPPED as REPLACED
from modelops_pipelines.core.release.desired_state import ACTIVE, WHOLE
from modelops_pipelines.core.release.event_log import Placement
from modelops_pipelines.core.release.sequential_tests import FAIL, INCONCLUSIVE, PASS
from modelops_pipelines.core.release.shadow import BETTER, WORSE, shadow_periods
from modelops_pipelines.operations.testing.checklist.subject import Subject
from modelops_pipelines.operations.testing.checklist.words import at, names
from modelops_pipelines.store.state.release.crashes import KEPT
from modelops_pipelines.store.state.release.trials import Trial

_OF_VERDICT: dict[str, State] = {PASS: PASSED, FAIL: FAILED, INCONCLUSIVE: UNKNOWN}
_OF_SHADOW: dict[str, State] = {BETTER: PASSED, WORSE: FAILED}


def deployment(subject: Subject) -> Finding:
    """Judge how the newest deployment of the version ended."""
    found = subject.attempt
    if found is None:
        return unknown(f"no deployment of version {subject.version} is recorded")
    said = f"{found.action} of version {found.version} by {found.actor}, requested on {at(found.requested_at)}"
    if found.status == NOT_SERVED:
        return failed(f"{said}, failed: {found.error}")
    if found.status == LIVE:
        return passed(f"{said}: all workers served it on {at(found.updated_at)}")
    then = f"another version or deployment replaced it on {at(found.updated_at)}"
    return unknown(f"{said}: {then if found.status == REPLACED else f'it is {found.status}'}")


def acknowledgements(subject: Subject) -> Finding:
    """Judge whether every living worker serves what the endpoint is to serve now."""
    if subject.served is None:
        return unknown(subject.unserved)
    reports, wanted = subject.workers, subject.state.generation
    if not reports:
        return unknown("no gateway worker lives that could serve it")
    faults = [one for one in reports if one.error and one.generation == wanted]
    if faults:
        return failed(f"worker {faults[0].worker} cannot serve generation {wanted}: {faults[0].error}")
    behind = [one for one in reports if one.generation < wanted]
    if not behind:
        workers = names(one.worker for one in reports)
        return passed(f"all {len(reports)} living worker(s) serve generation {wanted}: {workers}")
    shown = names(f"{one.worker} (at {one.generation})" for one in behind)
    said = f"{len(behind)} of {len(reports)} living worker(s) do not serve generation {wanted} yet: {shown}"
    waits = subject.state.since is None or subject.now - subject.state.since <= DEPLOY_TIME
    return unknown(said) if waits else failed(said)


def shares(subject: Subject) -> Finding:
    """Judge whether the version answers the share of the callers that it is to answer."""
    place = subject.served
    if place is None:
        return unknown(subject.unserved)
    if subject.state.status != ACTIVE:
        return unknown(f"the endpoint is {subject.state.status}: nobody is answered")
    if place.share == WHOLE:
        return _whole(subject, place)
    callers, minimum = subject.answered.callers, subject.spec.promotion.minimum
    mine = callers.get(subject.version, 0)
    return judge_share(place.share, mine, sum(callers.values()), subject.spec.guard, minimum)


def _whole(subject: Subject, place: Placement) -> Finding:
    """Judge whether no other version answers; while workers change over, another one may."""
    after = subject.answered.after
    others = {version: one for version, one in after.items() if version not in (None, subject.version)}
    mine, rest = after.get(subject.version), sum(one.requests for one in others.values())
    last = max((one.last for one in others.values() if one.last is not None), default=None)
    said = f"it has the whole traffic, and answered {mine.requests if mine else 0:,} request(s)"
    said += f" {subject.answered.since}, other versions {rest:,}"
    if last is not None and last - place.share_by.at > DEPLOY_TIME:
        return failed(f"{said}, the last on {at(last)}")
    return passed(said) if mine else unknown(said)


def first_answers(subject: Subject) -> Finding:
    """Judge the first requests that the version answered."""
    if subject.served is None:
        return unknown(subject.unserved)
    return judge_first(subject.answered.first, subject.version)


def crashes(subject: Subject) -> Finding:
    """Judge whether the version crashed or hung since it answers callers."""
    if subject.since is None:
        return unknown(subject.unserved)
    since = max(subject.since, subject.now - KEPT)
    mine = [one for one in subject.stores.crashes.all(subject.spec.name, since) if one.version == subject.version]
    said = f"version {subject.version} crashed or hung {len(mine)} time(s) since {at(since)}"
    return failed(f"{said}, last on {at(mine[-1].crash.at)}: {mine[-1].crash.cause}") if mine else passed(said)


def trial(subject: Subject) -> Finding:
    """Judge the guards' newest verdict on the version: on trial, or as a new champion."""
    newest = newest_verdict(subject)
    if newest is None:
        return unknown(f"no guard has judged version {subject.version}: it was not on trial")
    said = f"verdict '{newest.verdict}' of {at(newest.at)}, at {newest.share} % of the traffic"
    return Finding(_OF_VERDICT.get(newest.verdict, UNKNOWN), f"{said}: {newest.numbers.get('reason', 'no reason')}")


def newest_verdict(subject: Subject) -> Trial | None:
    """Return the guards' newest verdict on the version, None without one."""
    mine = [one for one in subject.stores.trials.of(subject.spec.name) if one.version == subject.version]
    return mine[-1] if mine else None


def shadow(subject: Subject) -> Finding:
    """Judge the version as the endpoint's shadow, by its loss on labelled rows."""
    periods = shadow_periods(subject.events)
    mine = next((one for one in reversed(periods) if one.version == subject.version), None)
    if mine is None:
        return unknown(f"version {subject.version} was never the shadow")
    span = f"shadow from {at(mine.since)}" + (f" to {at(mine.until)}" if mine.until else "")
    if mine is not periods[-1]:
        return unknown(f"{span}; version {periods[-1].version} was the shadow since")
    from modelops_pipelines.operations.release.trials.shadow import shadow_summary  # loads Arrow

    found = shadow_summary(subject.stores, subject.spec)
    agrees = "" if found.get("agreement") is None else f", {found['agreement']:.1%} of the predictions agree"
    counts = f"{found['compared']:,} rows compared, {found['failed']:,} failed"
    said = f"{span}: {counts}{agrees}; its loss is {found['verdict']}"
    return Finding(_OF_SHADOW.get(found["verdict"], UNKNOWN), said)
