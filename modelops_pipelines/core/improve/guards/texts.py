"""Whether text columns or comments have instructions to models, or personal data. Counts only, never a value."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from modelops_pipelines.core.improve.guards.results import GuardResult, judged, not_judged

NAME = "text"
INSTRUCTIONS, MAIL, PHONE, CARD, IBAN = "instructions", "mail addresses", "phone numbers", "card numbers", "IBANs"
_INSTRUCTIONS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b[\w\s,']{0,40}?\b(?:instructions?|prompts?|rules?|guidelines?)\b"
    r"|\b(?:you\s+are\s+now|from\s+now\s+on\s+you|pretend\s+(?:to\s+be|you\s+are)|act\s+as\s+(?:an?\s+)?(?:dan\b|jailbr"
    r"|unrestricted|admin))"
    r"|\b(?:reveal|print|repeat|show)\b[\w\s]{0,20}?\b(?:system\s+prompt|hidden\s+prompt|your\s+instructions)\b"
    r"|<\|(?:im_start|im_end|system|endoftext)\|>|\[/?INST\]|<<SYS>>|^\s*(?:system|assistant)\s*:"
    r"|\b(?:always|must)\s+(?:answer|respond|classify|label|output|reply)\b[\w\s]{0,20}?\b(?:as|with)\b",
    re.IGNORECASE | re.MULTILINE,
)
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,4}\.[A-Za-z]{2,24}(?![\w-])")
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+|00)[1-9][\d ()./-]{6,20}\d(?![\w.-])|(?<!\d)\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\d)"
)
_CARD = re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d.-])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_PHONE_DIGITS = range(8, 16)
_CARD_DIGITS, _CARD_STARTS = range(13, 20), "23456"
_IBAN_CHARACTERS = range(15, 35)
LONGEST = 4096
"""Characters of a text that are read: a person's comment is shorter."""


def kinds_in(text: str) -> frozenset[str]:
    """Return what a text has of the above. Numbers count only where their check digits are right (Luhn, ISO 13616)."""
    read = text[:LONGEST]
    found = {
        INSTRUCTIONS: _INSTRUCTIONS.search(read) is not None,
        MAIL: "@" in read and _MAIL.search(read) is not None,
        CARD: any(is_card(match.group()) for match in _CARD.finditer(read)),
        IBAN: any(is_iban(match.group()) for match in _IBAN.finditer(read)),
        PHONE: any(_is_phone(match.group()) for match in _PHONE.finditer(read)),
    }
    return frozenset(kind for kind, has in found.items() if has)


def is_card(number: str) -> bool:
    """Return whether digits are a card's number: 13 to 19 of them, a known first one, Luhn's sum (ISO 7812-1)."""
    digits = [int(one) for one in number if one.isdigit()]
    if len(digits) not in _CARD_DIGITS or str(digits[0]) not in _CARD_STARTS or len(set(digits)) == 1:
        return False
    return sum(sum(divmod(d * (1 + i % 2), 10)) for i, d in enumerate(reversed(digits))) % 10 == 0


def is_iban(text: str) -> bool:
    """Return whether a text is an IBAN: 15 to 34 characters of which the remainder modulo 97 is 1 (ISO 13616)."""
    plain = text.replace(" ", "")
    if len(plain) not in _IBAN_CHARACTERS:
        return False
    return int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1


def _is_phone(text: str) -> bool:
    return sum(one.isdigit() for one in text) in _PHONE_DIGITS


def texts(columns: Mapping[str, Iterable[str | None]]) -> GuardResult:
    """Return whether a text column (a feature, or ``comment`` of feedback) has instructions or personal data."""
    if not columns:
        return not_judged(NAME, "the set has no text column")
    counts = {name: _counted(values) for name, values in columns.items()}
    problems = [
        f"column '{name}' has {kind} in {number:,} text(s)"
        for name, found in counts.items()
        for kind, number in sorted(found.items())
    ]
    about = f"no instructions and no personal data in {', '.join(repr(name) for name in columns)}"
    return judged(NAME, problems, about, {"columns": {name: dict(found) for name, found in counts.items()}})


def _counted(values: Iterable[str | None]) -> Counter[str]:
    """Count the texts with each kind; the same text is read once."""
    found: Counter[str] = Counter()
    for text, times in Counter(value for value in values if value).items():
        for kind in kinds_in(text):
            found[kind] += times
    return found
