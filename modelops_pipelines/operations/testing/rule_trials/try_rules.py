"""Whether an endpoint's alert rules raise alerts: each is shown requests that must, and requests that must not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelops_pipelines.core.endpoints.alert_rules import VOLUME_KINDS, AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validation.alerts import EXCESS_ERRORS
from modelops_pipelines.core.errors import ModelOpsError, UnknownError
from modelops_pipelines.operations.alerting.judges.sql_file import QUERY_FAILED
from modelops_pipelines.operations.testing.rule_trials.play import Played, Stage, is_tried, make_history, play
from modelops_pipelines.operations.testing.rule_trials.scenes import (
    MOST_ROWS,
    needs_history,
    needs_labels,
    requests_at,
    scenes_of,
)
from modelops_pipelines.operations.testing.rule_trials.throw_away import TrialHome, subject_of, throw_away_home
from modelops_pipelines.store.state.alerting.runtime_rules import RuleVersion
from modelops_pipelines.store.stores import Stores

FIRES, SILENT, ALWAYS, UNTRIED = "fires", "does not fire", "always fires", "could not be tried"
BROKEN = "fails"
"""What a trial says of a rule. SILENT, ALWAYS, and BROKEN (its query fails) are faults of the rule's configuration."""
_BLANK, _HISTORY, _LABELLED = "blank", "history", "labelled history"
_OWN = ("metric", "sql")
"""Kinds whose value is the user's own: no scene must make it cross the threshold."""


@dataclass(frozen=True)
class RuleTrial:
    """What a trial says of a rule; ``fired`` and ``passed`` are what the scenes did that showed it."""

    endpoint: str
    rule: str
    kind: str
    result: str
    reason: str
    fired: Played | None = None
    passed: Played | None = None

    @property
    def told(self) -> Sequence[str]:
        """The channels that would be told of its alert."""
        return () if self.fired is None else self.fired.told

    @property
    def failed(self) -> bool:
        """Whether the rule is configured so that it never fires, always does, or cannot be judged."""
        return self.result in {SILENT, ALWAYS, BROKEN}


def try_rules(stores: Stores, spec: EndpointSpec, only: str | None = None) -> Iterator[RuleTrial]:
    """Yield the result of each of the endpoint's rules, or of one. Nothing is written to the stores given.

    Raises UnknownError for a rule that the endpoint does not have.
    """
    rules = [rule for rule in spec.alerts if only in {None, rule.name}]
    if only is not None and not rules:
        names = ", ".join(rule.name for rule in spec.alerts)
        raise UnknownError(f"Endpoint {spec.name!r} has no alert rule {only!r}", f"Choose one of: {names}")
    with throw_away_home(stores.settings) as home:
        for rule in rules:
            yield _try(stores, spec, rule, home)


def _try(stores: Stores, spec: EndpointSpec, rule: AlertRule, home: TrialHome) -> RuleTrial:
    why_not = _why_not(spec, rule)
    if why_not is not None:
        return RuleTrial(spec.name, rule.name, rule.kind, UNTRIED, why_not)
    try:
        return _result(spec, rule, _played(stores, spec, rule, home))
    except ModelOpsError as error:
        return RuleTrial(spec.name, rule.name, rule.kind, UNTRIED, error.message)


def _played(stores: Stores, spec: EndpointSpec, rule: AlertRule, home: TrialHome) -> list[Played]:
    """Play scenes to the rule; what they begin with is made at the first rule that needs it."""
    subject, version = subject_of(stores, spec)
    stage = Stage(subject, rule, stores.now())
    begins = _BLANK if not needs_history(rule.kind) else _LABELLED if needs_labels(rule.kind) else _HISTORY
    kept = f"{begins} {stage.rows} {stage.starts:%Y-%m-%d %H}"
    if not (home.folder / kept).exists():
        with home.opened("new", stage.starts) as new:
            new.deployments.record_version(version)
            if begins != _BLANK:
                make_history(new, stage)
            home.keep(new, kept)
    made = next((one for one in stores.runtime_rules.of(spec.name) if one.name == rule.name), None)
    return _scenes_played(home, kept, stage, made)


def _why_not(spec: EndpointSpec, rule: AlertRule) -> str | None:
    """Return why synthetic requests cannot decide a rule, None where they can."""
    if not is_tried(rule.kind):
        return f"rules of kind {rule.kind} do not judge requests"
    if rule.metric == EXCESS_ERRORS:
        return "it is judged on weeks of labels and estimates"
    metric = next((one for one in spec.metrics if rule.kind == "metric" and one.name == rule.metric), None)
    if metric is not None and metric.function is not None:
        return f"the metric is computed by {metric.function}, which is not run on synthetic requests"
    rows = max(rule.minimum or 0, *(requests_at(rule) if rule.kind in VOLUME_KINDS else [0]))
    if rows > MOST_ROWS:
        return f"it takes {rows:,.0f} requests, and a trial has at most {MOST_ROWS:,} in a window"
    return None


def _scenes_played(home: TrialHome, kept: str, stage: Stage, made: RuleVersion | None) -> list[Played]:
    """Play scenes until one has opened an alert, and another has passed; ``made`` is the rule as made at run time."""
    results: list[Played] = []
    for scene in scenes_of(stage.rule):
        with home.opened(kept, stage.starts) as stores:
            if made is not None and made.rule is not None:
                stores.runtime_rules.add(made.endpoint, made.name, made.rule, stage.starts, made.actor)
            results.append(play(stores, stage, scene))
        if any(one.opened for one in results) and any(one.passed for one in results):
            break
    return results


def _result(spec: EndpointSpec, rule: AlertRule, played: Sequence[Played]) -> RuleTrial:
    fired = next((one for one in played if one.opened), None)
    passed = next((one for one in played if one.passed), None)
    result, reason = _broken(rule, played) or _words(rule, played, fired, passed)
    return RuleTrial(spec.name, rule.name, rule.kind, result, reason, fired, passed)


def _broken(rule: AlertRule, played: Sequence[Played]) -> tuple[str, str] | None:
    """Return why a rule on SQL cannot be judged; None where its query runs."""
    found = (one for one in played if rule.kind == "sql" and QUERY_FAILED in one.message)
    return next(((BROKEN, f"{one.scene.about}: {one.message}") for one in found), None)


def _words(rule: AlertRule, played: Sequence[Played], fired: Played | None, passed: Played | None) -> tuple[str, str]:
    if fired is not None and passed is not None:
        return FIRES, f"{fired.scene.about}: {fired.message}; {passed.scene.about}: none"
    if fired is not None:
        others = next((one for one in played if not one.opened), None)
        if others is None:
            return ALWAYS, f"an alert on each of {len(played)} kinds of requests, the last one: {played[-1].message}"
        return ALWAYS, f"no kind of requests passed; {others.scene.about}: {others.message}"
    if passed is None:
        return UNTRIED, played[0].message
    tried = ", ".join(one.scene.about for one in played)
    if rule.kind in _OWN:
        return UNTRIED, f"no synthetic requests made it fail ({tried}); the last verdict: {played[-1].message}"
    return SILENT, f"no alert on any of: {tried}; the last verdict: {played[-1].message}"
