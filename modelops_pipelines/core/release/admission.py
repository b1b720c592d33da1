"""Whether a version may take traffic from a champion, and by which way a champion changed. No clock, no store.

The newest verdict on a version counts, whatever it was judged against: an older pass never outweighs it.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.errors import GateError, InputError
from modelops_pipelines.core.evaluation.gate import PASS
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.core.release.event_log import ROLLBACK, UNDO, Event
from modelops_pipelines.core.windows import text

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far ahead of this machine's clock another machine's verdict may be dated."""
_SHOWN_HASH = 8

Way = Literal["first deploy", "rollback", "verdict", "force"]
FIRST: Final = "first deploy"
BACK: Final = "rollback"
VERDICT: Final = "verdict"
FORCE: Final = "force"


@dataclass(frozen=True)
class GateVerdict:
    """The gate's verdict on a version: against which champion, under which settings (their hash), why and when.

    ``held`` are the reasons why a pass waits for a person.
    """

    version: str
    champion: str | None
    gate_hash: str
    verdict: str
    reason: str
    at: datetime
    held: tuple[str, ...] = ()


@dataclass(frozen=True)
class Admission:
    """What a version is to be admitted to: the present champion's place, under the present gate, at a time.

    ``max_age`` is the oldest that a verdict may be. ``newest`` is the newest verdict on the version. ``withdrawn`` is
    the newest rollback of the version by a guard.
    """

    endpoint: str
    version: str
    champion: str | None
    gate_hash: str
    max_age: timedelta
    now: datetime
    newest: GateVerdict | None
    withdrawn: Event | None = None


@dataclass(frozen=True)
class Refusal:
    """Why a version may not take traffic from the champion, and the remedy.

    ``is_outdated`` says that the version has no verdict for the present state of affairs, so that an evaluation may
    change the answer.
    """

    reason: str
    remedy: str
    is_outdated: bool


def refusal(asked: Admission) -> Refusal | None:
    """Return why the version may not take traffic from the champion; None when its newest verdict lets it.

    It must be a pass against the present champion, under the present settings, no older than ``max_age``, and newer
    than the last time that a guard rolled the version back. A pass that waits for a person needs force, with a reason:
    that is how the person confirms it.
    """
    newest = asked.newest
    evaluate = f"Evaluate it: modelops evaluate {asked.endpoint} {asked.version}"
    force = "or force it, with a reason: --force --reason TEXT"
    if asked.champion is None:
        remedy = f"Deploy it: modelops deploy {asked.endpoint} {asked.version}"
        return Refusal("the endpoint has no champion to compare it with", remedy, is_outdated=False)
    if newest is None:
        return Refusal("it was never evaluated", f"{evaluate}; {force}", is_outdated=True)
    outdated, failed = [*_outdated(asked, newest)], newest.verdict != PASS
    if not outdated and not failed and not newest.held:
        return None
    waits = f", held for a person: {'; '.join(newest.held)}" if newest.held else ""
    found = f"its newest verdict, of {text(newest.at)}, is '{newest.verdict}' ({newest.reason}{waits})"
    confirm = "Look at why it is held, then confirm it by force, with a reason: --force --reason TEXT"
    again = confirm if newest.held and not failed else f"Promote a version that passes, {force}"
    remedy = f"{evaluate}; {force}" if outdated else again
    return Refusal("; ".join([found, *outdated]), remedy, is_outdated=bool(outdated))


def _outdated(asked: Admission, newest: GateVerdict) -> Iterator[str]:
    """Yield why the verdict does not count now, whatever it says."""
    if newest.champion != asked.champion:
        yield f"it was judged against champion {newest.champion}, and the champion is {asked.champion}"
    if newest.gate_hash != asked.gate_hash:
        before, now = newest.gate_hash[:_SHOWN_HASH], asked.gate_hash[:_SHOWN_HASH]
        yield f"it was judged under other settings of the gate (hash {before}, now {now})"
    age = asked.now - newest.at
    if age > asked.max_age:
        limit = format_duration(asked.max_age)
        yield f"it is {age.days} days old, over the limit of {limit} (gate.max_age): it lacks the rows labelled since"
    if age < -CLOCK_TOLERANCE:
        yield f"it is dated after now, {text(asked.now)}: a clock is wrong, so its age is not known"
    if asked.withdrawn is not None and asked.withdrawn.at >= newest.at:
        guard, why = asked.withdrawn.evidence.get("guard"), asked.withdrawn.reason
        yield f"the guard {guard!r} rolled it back since, on {text(asked.withdrawn.at)} ({why})"


def refusal_error(asked: Admission, refused: Refusal) -> GateError:
    """Return the refusal as an error."""
    return GateError(
        f"The gate refuses version {asked.version} of {asked.endpoint!r} against champion {asked.champion}: "
        f"{refused.reason}",
        refused.remedy,
    )


def is_readable(reason: str) -> bool:
    """Return whether a reason has a letter, a digit or a sign: spaces and invisible characters tell nobody anything."""
    return any(unicodedata.category(character)[0] in "LNPS" for character in reason)


def require_reason(reason: str, *, force: bool) -> None:
    """Raise InputError for force without a reason."""
    if force and not is_readable(reason):
        raise InputError("Force requires a reason, which the history keeps", "Add a reason: --reason TEXT")


def replaces_champion(before: DesiredState, after: DesiredState) -> bool:
    """Return whether the change takes a champion's place: not a first deploy, a trial, or a change without versions."""
    return before.champion is not None and after.champion not in (None, before.champion)


def way_in(before: DesiredState, after: DesiredState, event: Event) -> Way | None:
    """Return the way by which the champion changed, from the event's evidence; None when no version became champion.

    Raises GateError when it changed in no way that is allowed. Every write of a desired state passes here, so that a
    new command that forgets the gate fails instead of letting a version in.
    """
    if after.champion in (None, before.champion):
        return None
    if before.champion is None:
        return FIRST
    if event.action in (ROLLBACK, UNDO):
        return BACK
    verdict = event.evidence.get("verdict")
    known = verdict if isinstance(verdict, dict) else {}
    if not event.evidence.get("forced") and (known.get("verdict"), known.get("champion")) == (PASS, before.champion):
        return VERDICT
    if event.evidence.get("forced") and is_readable(event.reason):
        return FORCE
    raise GateError(
        f"{event.action} would replace champion {before.champion} of {before.endpoint!r} by version {after.champion} "
        "without a passed gate, a rollback, or force with a reason",
        "Use modelops promote, or force it, with a reason: --force --reason TEXT",
    )
