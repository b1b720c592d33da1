"""Why a tick starts no run, in a bounded number of words: Dagster keeps the text of each tick, of 17,000 a day."""

from collections.abc import Mapping, Sequence

MOST_REASONS, MOST_NAMES, MOST_CHARACTERS = 8, 3, 1_000


def summary(reasons: Mapping[str, str]) -> str:
    """Return the reasons of endpoints, by their names, as one text, the same reason of several endpoints once.

    The reason that most endpoints have comes first; names and reasons that are too many are counted.
    """
    if not reasons:
        return "there are no endpoints"
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    parts = sorted(names.items(), key=lambda item: -len(item[1]))
    told = [f"{_listed(who)}: {reason}" for reason, who in parts[:MOST_REASONS]]
    left = sum(len(who) for _, who in parts[MOST_REASONS:])
    told += [f"{left} more endpoints have other reasons"] if left else []
    text = "; ".join(told)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."


def _listed(names: Sequence[str]) -> str:
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
