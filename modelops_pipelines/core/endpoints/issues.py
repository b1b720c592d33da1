"""An issue with one configured value, and the phrases that all issues share. Rules: the ``validate`` modules."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

_OWNER = re.compile(r"team:.*\S.*|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
_LISTED = 12
_SHORTEST_PREFIX = 3


@dataclass(frozen=True)
class Issue:
    """The problem at a path (``alerts[1].metric``) and its fix; ``operations.endpoints`` adds file and line."""

    path: str
    problem: str
    fix: str


def suggestion(word: str, choices: Sequence[str]) -> str:
    """Return ``Did you mean 'x'?`` for a typo or an unambiguous prefix, else list the choices."""
    near = get_close_matches(word, choices, n=1) or _with_prefix(word, choices)
    if near:
        return f"Did you mean '{near[0]}'?"
    more = f" and {len(choices) - _LISTED} more" if len(choices) > _LISTED else ""
    return f"Use one of: {', '.join(choices[:_LISTED])}{more}" if choices else "Remove it: there are no choices"


def _with_prefix(word: str, choices: Sequence[str]) -> list[str]:
    found = [choice for choice in choices if choice.startswith(word)]
    return found if len(word) >= _SHORTEST_PREFIX and len(found) == 1 else []


def one_of(path: str, value: str, choices: Sequence[str]) -> Iterator[Issue]:
    """Yield an issue if the value is not one of the choices."""
    if value not in choices:
        yield Issue(path, f"'{value}' is not a valid value", suggestion(value, choices))


def owner_issues(path: str, owner: str) -> Iterator[Issue]:
    """Yield an issue if the text is neither an e-mail address nor a team."""
    if not _OWNER.fullmatch(owner):
        fix = "Write an e-mail address or a team, such as 'team:data-science'"
        yield Issue(path, f"'{owner}' is not a valid owner", fix)
