"""A issue about one configured value, and the words that all issues share. No rules here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

_LISTED = 12
_SHORTEST_PREFIX = 3


@dataclass(frozen=True)
class Issue:
    """What is wrong at a path (``alerts[1].metric``) and the fix; a face adds the file and the line."""

    path: str
    problem: str
    fix: str


def suggestion(word: str, choices: Sequence[str]) -> str:
    """Say ``Did you mean 'x'?`` for a near-miss or a clear beginning, else the choices."""
    near = get_close_matches(word, choices, n=1) or _begun_by(word, choices)
    if near:
        return f"Did you mean '{near[0]}'?"
    more = f" and {len(choices) - _LISTED} more" if len(choices) > _LISTED else ""
    return f"Use one of: {', '.join(choices[:_LISTED])}{more}" if choices else "Remove it: there is none to choose"


def _begun_by(word: str, choices: Sequence[str]) -> list[str]:
    found = [choice for choice in choices if choice.startswith(word)]
    return found if len(word) >= _SHORTEST_PREFIX and len(found) == 1 else []


def one_of(path: str, value: str, choices: Sequence[str]) -> Iterator[Issue]:
    """Yield a issue if the value is not one of the choices."""
    if value not in choices:
        key = path.rpartition(".")[2]
        yield Issue(path, f"'{value}' is no {key}", suggestion(value, choices))
