"""Parsing of rate limits such as ``100/minute; 10/second``. Counting requests: ``gateway.access``."""

import re
from dataclasses import dataclass

MOST = 1_000_000
_UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_RATE = re.compile(rf"([0-9]{{1,9}})/(?:([0-9]{{1,4}}) )?({'|'.join(_UNITS)})s?")


@dataclass(frozen=True)
class Rate:
    """At most ``amount`` requests in any window of ``seconds``; ``text`` is the original notation."""

    amount: int
    seconds: int
    text: str


def parse_rates(text: str) -> tuple[Rate, ...] | None:
    """Read ``5000/hour`` or ``100/minute; 10/second`` or ``5/10 seconds``; None for what ``rate_problem`` rejects.

    This is a subset of the notation of the library ``limits``, with the same meaning.
    """
    rates = _rates(text)
    return rates if rates and all(1 <= rate.amount <= MOST and rate.seconds for rate in rates) else None


def rate_problem(text: str) -> tuple[str, str] | None:
    """Return the problem of a rate's text and its fix; None for a valid text."""
    rates = _rates(text)
    if not rates:
        fix = "Write a number and second, minute, hour or day, such as 5000/hour, or 100/minute; 10/second"
        return f"'{text}' is not a rate limit", fix
    zero = next((rate for rate in rates if not rate.amount or not rate.seconds), None)
    if zero:
        return f"'{zero.text}' allows no request", "Write a number from 1, or remove it for no limit"
    most = next((rate for rate in rates if rate.amount > MOST), None)
    if most:
        return f"'{most.text}' is more than {MOST} requests in one window", "Use a shorter window"
    return None


def _rates(text: str) -> tuple[Rate, ...]:
    parts = [part.strip(" ") for part in text.split(";")]
    matches = [_RATE.fullmatch(part) for part in parts]
    found = [match for match in matches if match]
    if len(found) < len(parts):
        return ()
    return tuple(Rate(int(match[1]), int(match[2] or 1) * _UNITS[match[3]], match[0]) for match in found)
