"""What people do with alerts: acknowledge, resolve, silence. Each is kept with who did it, and told to who knows."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from modelops_pipelines.core.alerting.alerts import OPEN, Alert
from modelops_pipelines.core.alerting.by_hand import acknowledge_alert, resolve_alert, silenced_event
from modelops_pipelines.core.alerting.episodes import Episode
from modelops_pipelines.core.alerting.life import traits_in
from modelops_pipelines.core.alerting.records import EventRecord
from modelops_pipelines.core.alerting.silencing.maintenance_times import parse_times
from modelops_pipelines.core.alerting.silencing.matchers import FIELDS, fields_of, matches, unknown_fields
from modelops_pipelines.core.alerting.silencing.silences import NEVER_SILENCED, Silence
from modelops_pipelines.core.errors import ConflictError, InputError, UnknownError
from modelops_pipelines.core.release.admission import is_readable
from modelops_pipelines.core.timestamps import out_of_bounds
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.life.policy import alert_records
from modelops_pipelines.operations.alerting.life.raise_alerts import alerts_lock
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.stores import Stores

LONGEST_TEXT, LONGEST_PATTERN, MOST_MATCHERS = 2_000, 200, 20
MOST_SILENCES, MOST_OF_AN_ENDPOINT = 1_000, 50
"""Silences that are not over: each is looked at whenever something happens to any alert."""


def acknowledge(stores: Stores, alert_id: int, actor: str, note: str | None = None) -> Alert:
    """Take an open alert on: it is not escalated then. It lasts until the alert is resolved.

    Of two people the first is kept as who did; the second's note is kept in the history. Raises UnknownError,
    ConflictError for an alert that is not open, InputError for a note that is too long.
    """
    _require_short(note)
    return _change(stores, alert_id, lambda alert, now: acknowledge_alert(alert, actor, note, now))


def resolve(stores: Stores, alert_id: int, actor: str, reason: str) -> Alert:
    """Resolve an open alert with a reason; where its rule goes on failing, a new alert opens.

    Raises UnknownError, ConflictError for an alert that is not open, InputError without a reason.
    """
    _require_reason(reason, "Resolving an alert")
    return _change(stores, alert_id, lambda alert, now: resolve_alert(alert, actor, reason, now))


def silence(
    stores: Stores,
    matchers: Mapping[str, str],
    *,
    actor: str,
    reason: str,
    until: datetime | None = None,
    weekly: str | None = None,
    starts_at: datetime | None = None,
) -> Silence:
    """Send nobody the messages of the alerts that match, from now or ``starts_at`` on, until a time or every week.

    Who was told that an alert is open is still told that it is resolved. Raises InputError for matchers, times or a
    reason that cannot be, ConflictError for too many silences.
    """
    now = stores.now()
    _require_reason(reason, "A silence")
    _require_matchers(matchers)
    starts, until = _in_utc("from", starts_at) or now, _in_utc("until", until)
    _require_times(starts, until, weekly, now)
    made = Silence(dict(matchers), reason, now, actor, starts, until, weekly)
    with exclusive(stores.settings.home / "locks" / "silences.lock", "the silences"):
        _require_room(stores.silences.not_over(now), made)
        number = stores.silences.add(made, _silenced(stores, made, now))
    return Silence(**{**vars(made), "id": number})


def end_silence(stores: Stores, silence_id: int, actor: str) -> Silence:
    """End a silence before its time; raises UnknownError, ConflictError for one that is over."""
    found, now = stores.silences.find(silence_id), stores.now()
    if found is None:
        raise UnknownError(f"There is no silence {silence_id}", "See them: modelops alert silences")
    if found.is_over(now) or not stores.silences.end(silence_id, actor, now):
        raise ConflictError(f"Silence {silence_id} is over", "Nothing needs to be ended")
    return Silence(**{**vars(found), "ended_at": now, "ended_by": actor})


def _change(stores: Stores, alert_id: int, act: Callable[[Alert, datetime], Episode]) -> Alert:
    endpoint = _open_alert(stores, alert_id).endpoint
    with alerts_lock(stores, endpoint):
        now = stores.now()
        records = alert_records(stores, [act(_open_alert(stores, alert_id), now)], now)
        [written] = stores.alerts.write(endpoint, records, [], now)
    return written


def _open_alert(stores: Stores, alert_id: int) -> Alert:
    alert = stores.alerts.get(alert_id)
    if alert is None:
        raise UnknownError(f"There is no alert {alert_id}", "See them: modelops alert list --all")
    if alert.status == OPEN:
        return alert
    if alert.resolved_at is None:
        raise ConflictError(f"Alert {alert_id} is pending: it is not open yet", "Wait until its rule opens or drops it")
    by = f" by {alert.resolved_by}" if alert.resolved_by else ""
    raise ConflictError(f"Alert {alert_id} was resolved{by} at {text(alert.resolved_at)}", "Nothing needs to be done")


def _silenced(stores: Stores, made: Silence, now: datetime) -> list[EventRecord]:
    """Return an event for each open alert that a silence concerns at once."""
    if not made.is_active(now):
        return []
    opened = [
        alert for alert in stores.alerts.unresolved() if alert.status == OPEN and alert.kind not in NEVER_SILENCED
    ]
    begun = stores.alert_events.last_openings([alert.id for alert in opened if alert.id is not None])
    traits = {number: traits_in(event.detail) for number, event in begun.items()}
    mine = [one for one in opened if matches(made.matchers, fields_of(one, traits.get(one.id or 0, traits_in({}))))]
    return [EventRecord(silenced_event(alert, made.created_by, made.reason, now)) for alert in mine]


def _require_room(known: Sequence[Silence], made: Silence) -> None:
    endpoint = made.matchers.get("endpoint")
    own = [one for one in known if one.matchers.get("endpoint") == endpoint]
    fix = "End some of them: modelops alert silences, modelops alert unsilence ID"
    if endpoint is not None and len(own) >= MOST_OF_AN_ENDPOINT:
        raise ConflictError(f"There are {len(own)} silences of endpoint {endpoint!r} that are not over", fix)
    if len(known) >= MOST_SILENCES:
        raise ConflictError(f"There are {len(known)} silences that are not over", fix)


def _require_reason(reason: str, what: str) -> None:
    if not is_readable(reason):
        raise InputError(f"{what} requires a reason, which is recorded", "Add a reason: --reason TEXT")
    _require_short(reason)


def _require_short(said: str | None) -> None:
    if said is not None and len(said) > LONGEST_TEXT:
        raise InputError(f"The text has {len(said)} characters; at most {LONGEST_TEXT} are kept", "Shorten it")


def _require_matchers(matchers: Mapping[str, str]) -> None:
    if not matchers:
        raise InputError("A silence needs at least one matcher", "Name what it is about, such as endpoint=flights")
    known = f"Choose among: {', '.join(FIELDS)}, labels.NAME"
    for name in unknown_fields(matchers):
        raise InputError(f"{name!r} is no field of an alert", known)
    if len(matchers) > MOST_MATCHERS or any(len(f"{name}{one}") > LONGEST_PATTERN for name, one in matchers.items()):
        limits = f"{MOST_MATCHERS} matchers of {LONGEST_PATTERN} characters"
        raise InputError(f"The matchers are too many or too long: at most {limits}", "Use fewer or shorter ones")
    if matchers.get("kind") in NEVER_SILENCED:
        never = ", ".join(sorted(NEVER_SILENCED))
        raise InputError(f"Alerts of kind {matchers['kind']} are never silenced", f"Other kinds than {never} can be")


def _require_times(starts: datetime, until: datetime | None, weekly: str | None, now: datetime) -> None:
    if until is None and weekly is None:
        raise InputError("A silence needs an end", "Give until when it lasts, or its weekly times")
    if weekly is not None and parse_times(weekly) is None:
        raise InputError(
            f"{weekly[:LONGEST_PATTERN]!r} are no weekly times", "Write them such as: Sun 02:00-04:00 Europe/Berlin"
        )
    if until is not None and until <= now:
        raise InputError(f"The silence's end, {text(until)}, is in the past", "Give a later time")
    if until is not None and until <= starts:
        raise InputError("The silence ends before it begins", f"Give an end after {text(starts)}")


def _in_utc(name: str, moment: datetime | None) -> datetime | None:
    """Return a time that a person gave in UTC, which is how it is read from the state again."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise InputError(f"The time {name!r} has no time zone", "Add one, such as Z for UTC")
    fault = out_of_bounds(moment)
    if fault is not None:
        raise InputError(f"The time {name!r} is {fault}", "Give a nearer one, or weekly times, which have no end")
    return moment.astimezone(UTC)
