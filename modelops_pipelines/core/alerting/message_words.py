"""The words of a message: what happened to an alert, and its numbers, as every form of a message says them."""

from modelops_pipelines.core.alerting.message_content import AlertItem
from modelops_pipelines.core.number_words import limit_text, number_text

_SAID = {
    "opened": "opened",
    "reopened": "reopened",
    "worsened": "is worse",
    "acknowledged": "acknowledged",
    "resolved": "resolved",
    "escalated": "escalated: nobody has acknowledged it",
    "flapping": "flapping: it opens, worsens or resolves again and again, so it is told less often until it is steady",
    "steady": "steady again",
    "silenced": "silenced",
}
_TOLD_SHORT = {"resolved", "acknowledged"}


def describe_event(item: AlertItem) -> str:
    """Return what happened to an alert, by whom, and what that person wrote."""
    said = _SAID.get(item.event, item.event)
    if item.event == "reopened" and item.reopened > 1:
        said += f" ({item.reopened} times)"
    if item.event == "resolved":
        said += f" after {item.lasted}" if item.lasted else ""
        said += "" if item.actor else " by itself"
    if item.actor:
        said += f" by {item.actor}"
    return f"{said}: {item.note}" if item.actor and item.note else said


def numbers_of(item: AlertItem) -> list[tuple[str, str]]:
    """Return an alert's numbers as name and value, in the order in which a person asks for them."""
    found = [("severity", item.severity), ("state", item.state), ("since", _since(item))]
    if item.value is not None:
        found.append(("value", number_text(item.value)))
    if item.threshold is not None:
        found.append(("threshold", limit_text(item.threshold)))
    if item.n is not None:
        found.append(("rows", f"{item.n:,}"))
    if item.count > 1:
        found.append(("failed", f"{item.count:,} times"))
    if item.flapping and item.event != "flapping":
        found.append(("flapping", "yes"))
    if item.escalations:
        found.append(("escalated", f"{item.escalations} times"))
    if item.owner:
        found.append(("owner", item.owner))
    return found + [(str(name), str(value)) for name, value in (item.labels or {}).items()]


def _since(item: AlertItem) -> str:
    since = f"{item.since[:16].replace('T', ' ')} UTC"
    return since if item.event in _TOLD_SHORT or not item.lasted else f"{since} ({item.lasted})"
