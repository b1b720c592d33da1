"""What the verdicts of one transaction do to an endpoint's alerts, and whom that concerns."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import RESOLVED, Alert, AlertEvent, Traits, Verdict, is_worse
from modelops_pipelines.core.alerting.events import FLAPPING, OPENED, OPENINGS, REOPENED, RESOLVED_EVENT, WORSENED
from modelops_pipelines.core.alerting.life import DROPPED, MOST_OPENINGS, Standing, Step, event_of, steps_of
from modelops_pipelines.core.alerting.live_rules import rule_of
from modelops_pipelines.core.alerting.records import AlertRecord, EventRecord
from modelops_pipelines.core.alerting.routing import Policy, informed_after, notifications_of

_NO_TRAITS = Traits()


@dataclass
class Episode:
    """One alert, and what happens to it: each event with the alert as it left it. ``openings`` are the recent ones."""

    alert: Alert
    is_new: bool
    traits: Traits = _NO_TRAITS
    openings: int = 0
    change: str = ""
    is_dropped: bool = False
    history: list[tuple[AlertEvent, Alert]] = field(default_factory=list)

    def add(self, name: str, now: datetime, said: Verdict | None = None) -> None:
        """Add what happened to it now; the event has the words and numbers of the verdict ``said``, if given."""
        self.change = self.change or name
        shown = self.alert if said is None else _in_words_of(said, self.alert)
        self.history.append((event_of(shown, name, now, self.traits), self.alert))

    def describe(self, change: str) -> None:
        """Keep the change that says most: that it opened or reopened, unless it is resolved by now."""
        if change in OPENINGS and not (change == WORSENED and self.change in OPENINGS):
            self.change = OPENED if self.is_new else change
        elif change == RESOLVED_EVENT or self.change not in OPENINGS:
            self.change = change

    def record(self, policy: Policy, informed: frozenset[str]) -> AlertRecord:
        """Return what is written of it; ``informed`` were told that it is open."""
        events = []
        for event, alert in self.history:
            told = notifications_of(event, alert, self.traits, informed, policy)
            informed = informed_after(informed, event, told)
            events.append(EventRecord(event, tuple(told)))
        return AlertRecord(self.alert, tuple(events), self.is_dropped)


class Episodes:
    """The alerts of an endpoint while verdicts are applied to them, one by one.

    ``unresolved`` and ``resolved`` are the alerts that there are, by rule; ``openings`` returns how often an alert of
    that number opened lately.
    """

    def __init__(
        self,
        endpoint: str,
        now: datetime,
        unresolved: Mapping[str, Alert],
        resolved: Mapping[str, Alert],
        traits: Mapping[str, Traits],
        openings: Callable[[int], int],
    ) -> None:
        """Begin with the alerts that there are."""
        self._endpoint, self._now, self._traits, self._openings = endpoint, now, traits, openings
        self._current = {rule: Episode(alert, is_new=False) for rule, alert in unresolved.items()}
        self._past = {rule: Episode(alert, is_new=False) for rule, alert in resolved.items()}
        self.changed: list[Episode] = []

    def apply(self, verdicts: Iterable[Verdict]) -> None:
        """Apply verdicts in their order; ``changed`` has each alert that they change, in its final state."""
        for verdict in verdicts:
            current, past = self._current.get(verdict.rule), self._past.get(verdict.rule)
            standing = Standing(current.alert if current else None, past.alert if past else None)
            traits = self._traits.get(rule_of(verdict.rule), _NO_TRAITS)
            for step in steps_of(standing, verdict, self._endpoint, self._now, traits.wait):
                self._take(step, traits, verdict)

    def _take(self, step: Step, traits: Traits, verdict: Verdict) -> None:
        episode = self._episode_of(step)
        episode.alert, episode.traits = step.after, traits
        if all(episode is not one for one in self.changed):
            self.changed.append(episode)
        episode.describe(step.change)
        if step.change in OPENINGS:
            self._find_flapping(episode, step)
        elif step.change == RESOLVED_EVENT:
            episode.add(RESOLVED_EVENT, self._now, verdict)
        self._keep(episode, step.change)

    def _episode_of(self, step: Step) -> Episode:
        for episodes in (self._current, self._past):
            episode = episodes.get(step.after.rule)
            if episode is not None and episode.alert is step.before:
                return episode
        return Episode(step.after, is_new=True)

    def _find_flapping(self, episode: Episode, step: Step) -> None:
        """Add that it opened, and that it flaps where it did so too often lately; or is worse while it does."""
        if not episode.openings and episode.alert.id is not None:
            episode.openings = self._openings(episode.alert.id)
        episode.openings += 1
        begins = episode.openings > MOST_OPENINGS and not episode.alert.flapping
        episode.alert = replace(episode.alert, flapping=episode.alert.flapping or begins)
        episode.add(step.change, self._now)
        if step.change == REOPENED and episode.alert.flapping and _is_worse(step):
            episode.add(WORSENED, self._now)
        if begins:
            episode.add(FLAPPING, self._now)

    def _keep(self, episode: Episode, change: str) -> None:
        rule = episode.alert.rule
        self._current.pop(rule, None)
        if change == DROPPED:
            episode.is_dropped = True
        elif episode.alert.status == RESOLVED:
            self._past[rule] = episode
        else:
            self._current[rule] = episode


def _is_worse(step: Step) -> bool:
    return step.before is not None and is_worse(step.after.severity, step.before.severity)


def _in_words_of(verdict: Verdict, alert: Alert) -> Alert:
    """Return the alert as a pass says that it is now: the alert itself keeps what failed last."""
    numbers = {name: getattr(verdict, name) for name in ("message", "value", "threshold", "n")}
    return replace(alert, **numbers, data_window=verdict.window)


def worth_writing(episodes: Iterable[Episode]) -> list[Episode]:
    """Return all but those that began as pending and were dropped at once."""
    return [one for one in episodes if not (one.is_dropped and one.alert.id is None)]
