"""A/B tests: two versions side by side, a result that is valid at any time (a sequential test), ended by a decision."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, EvidenceError, InputError, ModelOpsError, UnknownError
from modelops_pipelines.core.release.admission import require_reason
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.core.release.guards import Leg
from modelops_pipelines.core.release.sequential_tests import FAIL, PASS, Interval, Moments, judge_quality_of
from modelops_pipelines.operations.release.apply import Change
from modelops_pipelines.operations.release.commands import deploy, roll_back
from modelops_pipelines.operations.release.trials.canary import evidence_of, running_test, spans_of
from modelops_pipelines.operations.versions.known_version import known_version
from modelops_pipelines.store.state.release.trials import Experiment
from modelops_pipelines.store.stores import Stores

Decision = Literal["promote", "keep"]
BETTER, WORSE, UNDECIDED = "challenger better", "challenger worse", "undecided"


@dataclass(frozen=True)
class Terms:
    """What an A/B test promises.

    ``error_rate`` is the probability of ever declaring a difference between equal versions, however often the result is
    read; ``planned`` is the number of callers with labelled answers at which the interval is narrowest.
    """

    error_rate: float = 0.05
    planned: int = 10_000

    def check(self) -> None:
        """Raise InputError for terms that make no valid test."""
        if not 0 < self.error_rate < 1 or self.planned < 1:
            raise InputError(
                f"An A/B test cannot have an error rate of {self.error_rate:g} and {self.planned} planned answers",
                "Give an error rate between 0 and 1, such as 0.05, and at least one answer",
            )


DEFAULT_TERMS = Terms()


@dataclass(frozen=True)
class Result:
    """The result of an A/B test so far.

    Losses are means per labelled answer: log-loss, share of wrong answers, or squared error. ``interval`` covers the
    true difference (challenger minus champion) at every look at once, with the stated error rate; None with the reason
    while there are too few labelled answers.
    """

    experiment: Experiment
    verdict: str
    reason: str
    challenger: Moments
    champion: Moments
    interval: Interval | None
    legs: tuple[Leg, ...]

    def describe(self) -> dict[str, Any]:
        """Return every number by its name."""
        new, old = self.challenger, self.champion
        arms = {"challenger": [leg.challenger for leg in self.legs], "champion": [leg.champion for leg in self.legs]}
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "requests": {name: sum(arm.requests for arm in those) for name, those in arms.items()},
            "errors": {name: sum(arm.errors for arm in those) for name, those in arms.items()},
            "labelled": {"challenger": new.rows, "champion": old.rows},
            "loss": {"challenger": new.mean if new.rows else None, "champion": old.mean if old.rows else None},
            "difference": self.interval.estimate if self.interval else None,
            "lower": self.interval.lower if self.interval else None,
            "upper": self.interval.upper if self.interval else None,
            "error_rate": self.experiment.settings["error_rate"],
        }


def start_experiment(
    stores: Stores,
    spec: EndpointSpec,
    version: str,
    *,
    name: str,
    actor: str,
    reason: str,
    share: int = 50,
    terms: Terms = DEFAULT_TERMS,
) -> Change:
    """Have a version answer a share of the callers, each caller always the same version, until ``end_experiment``.

    Started again under the same name, it is the same test. Raises ConflictError while another test or trial runs on the
    endpoint, InputError for impossible terms.
    """
    terms.check()
    known_version(stores, spec, version)
    state = stores.deployments.desired(spec.name)
    settings = asdict(terms)
    running = running_test(stores, spec)
    if running is not None and running.experiment_id != name:
        raise ConflictError(
            f"A/B test {running.experiment_id!r} is already running on endpoint {spec.name!r}",
            "End it first: modelops ab end",
        )
    if running is None:
        _require_free(state, version)
        experiment = Experiment(
            name, spec.name, str(state.champion), version, share, settings, actor, reason, stores.now()
        )
        stores.trials.start(experiment)
    elif (running.challenger, running.share) != (version, share):
        raise ConflictError(
            f"A/B test {name!r} is already running with version {running.challenger} at {running.share} %",
            "Choose another name",
        )
    try:
        return deploy(stores, spec, version, share=share, actor=actor, reason=f"A/B test {name}: {reason}".rstrip(": "))
    except ModelOpsError:
        if stores.deployments.desired(spec.name).challenger != version:
            stores.trials.forget(name)  # it never began
        raise


def experiment_named(stores: Stores, spec: EndpointSpec, name: str | None = None) -> Experiment:
    """Return the endpoint's A/B test of that name, by default the newest; raises UnknownError."""
    known = stores.trials.experiments(spec.name)
    found = [experiment for experiment in known if name in (None, experiment.experiment_id)]
    if not found:
        named = ", ".join(experiment.experiment_id for experiment in known) or "none"
        what = "A/B test" if name is None else f"A/B test {name!r}"
        raise UnknownError(f"Endpoint {spec.name!r} has no {what} (known: {named})", "Start one: modelops ab start")
    return found[-1]


def result_of(stores: Stores, spec: EndpointSpec, experiment: Experiment) -> Result:
    """Return the test's result so far, from the log and the labels that have arrived."""
    pair, until = (experiment.champion, experiment.challenger), experiment.ended_at or stores.now()
    spans = spans_of(stores.deployments.events(spec.name), pair, until)
    found = evidence_of(stores, spec, pair, [span for span in spans if experiment.started_at <= span.since < until])
    settings = experiment.settings
    judged = judge_quality_of(found.losses.losses, planned=settings["planned"], alpha=settings["error_rate"])
    verdict = {PASS: BETTER, FAIL: WORSE}.get(judged.verdict, UNDECIDED)
    sides = [_merge_moments([stratum[side] for stratum in found.losses.losses]) for side in (0, 1)]
    return Result(experiment, verdict, judged.reason, sides[0], sides[1], judged.interval, found.legs)


def running_result(stores: Stores, spec: EndpointSpec) -> Result | None:
    """Return the result so far of the endpoint's running A/B test; None without one."""
    running = running_test(stores, spec)
    return None if running is None else result_of(stores, spec, running)


def end_experiment(
    stores: Stores,
    spec: EndpointSpec,
    decision: Decision,
    *,
    name: str | None = None,
    actor: str,
    reason: str,
    force: bool = False,
) -> Change:
    """End the test: ``promote`` makes the challenger the champion, ``keep`` rolls back to the champion.

    To promote, the test must find the challenger better, and the gate must have passed it: the test compares the
    average of some weeks, the gate regimes and slices too. ``force``, which needs a reason, goes past both, and the
    history records that. Raises EvidenceError, GateError, InputError for force without a reason, ConflictError for a
    test that has ended, UnknownError without one.
    """
    require_reason(reason, force=force)
    running_test(stores, spec)
    experiment = experiment_named(stores, spec, name)
    if experiment.ended_at is not None:
        raise ConflictError(
            f"A/B test {experiment.experiment_id!r} has already ended: {experiment.decision}", "Start another one"
        )
    result = result_of(stores, spec, experiment)
    if decision == "promote" and result.verdict != BETTER and not force:
        raise EvidenceError(
            f"A/B test {experiment.experiment_id!r} does not show that version {experiment.challenger} is better: "
            f"{result.verdict} ({result.reason})",
            "Wait for more labels, or use --force with a reason",
        )
    why = f"A/B test {experiment.experiment_id}: {result.verdict}, {result.reason}; {reason}".rstrip("; ")
    change = apply_decision(stores, spec, experiment, decision, actor=actor, reason=why, force=force)
    ended = replace(experiment, ended_at=stores.now(), decision=decision, result={**result.describe(), "forced": force})
    stores.trials.end(ended)
    return change


def apply_decision(
    stores: Stores,
    spec: EndpointSpec,
    experiment: Experiment,
    decision: Decision,
    *,
    actor: str,
    reason: str,
    force: bool,
) -> Change:
    """Deploy the challenger as champion, through the gate unless forced, or roll back to the champion."""
    if decision == "promote":
        return deploy(stores, spec, experiment.challenger, actor=actor, reason=reason, force=force)
    return roll_back(stores, spec, actor=actor, reason=reason)


def _merge_moments(moments: Sequence[Moments]) -> Moments:
    merged = Moments(0, 0.0, 0.0)
    for part in moments:
        merged = merged.merged(part)
    return merged


def _require_free(state: DesiredState, version: str) -> None:
    if state.challenger is not None:
        raise ConflictError(
            f"Version {state.challenger} is on trial on endpoint {state.endpoint!r}",
            "Promote it or roll it back first",
        )
    if state.champion in (None, version):
        raise ConflictError(
            f"Endpoint {state.endpoint!r} has no champion other than version {version} to compare it with",
            "Deploy a champion first",
        )
