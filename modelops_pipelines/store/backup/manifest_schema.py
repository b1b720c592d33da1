"""What a manifest's values must be. Its hash proves that it is as written, not who has written it."""

import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

FORM = "%Y%m%dT%H%M%S.%fZ"
_GENERATION = re.compile(r"\d{8}T\d{6}\.\d{6}Z", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}")
_REVISION = re.compile(r"\d{4}", re.ASCII)
_MOST_BYTES, _LONGEST_PATH, _LONGEST_NAME = 1 << 63, 4095, 255
_MODES = 0o7777


def generation_name(moment: datetime) -> str:
    """Return the name of a generation; names are in the order of their moments."""
    return moment.strftime(FORM)


def moment_of(generation: str) -> datetime | None:
    """Return the moment that a generation's name says; None for what is no such name."""
    if not _GENERATION.fullmatch(generation):
        return None
    try:
        return datetime.strptime(generation, FORM).replace(tzinfo=UTC)
    except ValueError:
        return None


def problem_of(values: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a manifest's values, without its ``format`` and ``hash``; None for valid ones."""
    if set(values) != set(_FIELDS):
        return "it has other fields than a manifest's"
    wrong = next((name for name, is_valid in _FIELDS.items() if not is_valid(values[name])), None)
    if wrong is not None:
        return f"its {wrong} is not valid"
    files: Mapping[str, Any] = values["files"]
    bad = next((name for name, one in files.items() if not (_is_path(name) and _is_file(one))), None)
    if bad is not None:
        return f"its file {bad[:80]!r} is not valid"
    inside = next((name for name in files if _is_inside_a_file(name, files)), None)
    return None if inside is None else f"its file {inside[:80]!r} is in another file"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_PATH


def _is_moment(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).utcoffset() is not None
    except (ValueError, OverflowError):
        return False


def _matches(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "generation": lambda value: isinstance(value, str) and moment_of(value) is not None,
    "taken_at": _is_moment,
    "finished_at": _is_moment,
    "release": _is_text,
    "revision": _matches(_REVISION),
    "home": _is_text,
    "fingerprint": _matches(_HASH),
    "left_out": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "files": lambda value: isinstance(value, dict),
}


def _is_path(name: str) -> bool:
    """Return whether a name is a path below a folder, as a system takes it."""
    try:
        parts = [os.fsencode(part) for part in name.split("/")]
    except UnicodeEncodeError:
        return False
    usable = all(part not in (b"", b".", b"..") and len(part) <= _LONGEST_NAME for part in parts)
    return usable and "\0" not in name and len(name) <= _LONGEST_PATH


def _is_file(one: object) -> bool:
    """Return whether this is a content's hash, its bytes, permission bits and last change in nanoseconds."""
    match one:
        case [str(content), int(size), int(mode), int(changed)]:
            whole = not any(isinstance(number, bool) for number in (size, mode, changed))
            fits = 0 <= size < _MOST_BYTES and 0 <= mode <= _MODES and -_MOST_BYTES <= changed < _MOST_BYTES
            return whole and fits and _HASH.fullmatch(content) is not None
        case _:
            return False


def _is_inside_a_file(name: str, files: Mapping[str, Any]) -> bool:
    parts = name.split("/")
    return any("/".join(parts[:length]) in files for length in range(1, len(parts)))
