"""Messages that were given up, and sending them again."""

from collections.abc import Callable, Collection
from typing import Any

from modelops_pipelines.core.alerting.messages import DEAD, Message
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.store.stores import Stores

_SHOWN = ("message_id", "channel", "endpoint", "created_at", "attempts", "last_error", "finished_at")


def dead_letters(stores: Stores, sees: Callable[[str], bool] = lambda _: True) -> list[dict[str, Any]]:
    """Return the messages that were given up, newest first, with their titles and the alerts that they tell of."""
    return [describe_letter(letter) for letter in stores.messages.dead() if _is_seen(letter, sees)]


def describe_letter(letter: Message) -> dict[str, Any]:
    """Return a message that was given up; what it says is its title."""
    told = letter.content.get("alerts") or []
    alerts = [one["alert_id"] for one in told if "alert_id" in one]
    title = str(letter.content.get("title", ""))
    return {**{name: getattr(letter, name) for name in _SHOWN}, "title": title, "alerts": alerts}


def resend(
    stores: Stores, message_ids: Collection[str] | None, sees: Callable[[str], bool] = lambda _: True
) -> list[str]:
    """Have dead letters tried again under their ids, all of them for None; return the ids.

    Raises UnknownError for an id that is no dead letter, or not one that may be seen: then none is sent.
    """
    known = {letter.message_id for letter in stores.messages.dead() if _is_seen(letter, sees)}
    wanted = known if message_ids is None else set(message_ids)
    unknown = sorted(wanted - known)
    if unknown:
        raise UnknownError(f"There is no dead letter {unknown[0]!r}", "See their ids: modelops alert dead-letters")
    return sorted(stores.messages.resend(wanted, stores.now())) if wanted else []


def _is_seen(letter: Message, sees: Callable[[str], bool]) -> bool:
    """Return whether all that a message tells may be seen: one on several endpoints tells of each, listed or not."""
    told = [*(letter.content.get("alerts") or []), *(letter.content.get("changes") or [])]
    return letter.status == DEAD and all(sees(name) for name in {one.get("endpoint", "") for one in told} or {""})
