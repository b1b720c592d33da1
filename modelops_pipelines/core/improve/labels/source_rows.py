"""Reads a row of a label source: its key, its label and when the label became known, or why it is no label.

A reason never contains a value: values may be personal, and reasons are stored and shown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any

from modelops_pipelines.core.endpoints.improvement import LabelSource
from modelops_pipelines.core.timestamps import out_of_bounds

AHEAD = timedelta(minutes=5)
"""How far a source's time may be ahead of the clock."""
LONGEST = 200
"""The most characters of an id, a label or an entity's value."""
_LARGEST_ROW = 65_535
_DIGITS = re.compile(r"-?[0-9]{1,20}")


class RowError(ValueError):
    """Why a row of a source is no label."""


@dataclass(frozen=True)
class SourceRow:
    """A row that can be a label: one of the three keys, the label as it was read, and when it became known."""

    label: object
    labelled_at: datetime | None
    prediction_id: str | None = None
    request: tuple[str, int] | None = None
    entity: Mapping[str, Any] | None = None
    time: datetime | None = None


def needed_columns(source: LabelSource) -> list[str]:
    """Return the columns that a source is read for."""
    keys = (source.prediction_id, source.request_id, source.row, *source.entity, source.time)
    named = [source.label, source.labelled_at, *keys, source.cursor]
    return list(dict.fromkeys(name for name in named if name is not None))


def read_row(source: LabelSource, values: Mapping[str, Any], now: datetime) -> SourceRow | None:
    """Return a row as a label; None where it has no label yet. Raises RowError with the reason why it cannot be one."""
    label = values.get(source.label)
    if label is None or (isinstance(label, str) and not label.strip()):
        return None
    if isinstance(label, str) and len(label) > LONGEST:
        raise RowError(f"{source.label} has {len(label)} characters, and may have {LONGEST}")
    if isinstance(label, str) and not _is_unicode(label):
        raise RowError(f"{source.label} is not UTF-8 text")
    at = None if source.labelled_at is None else _moment(source.labelled_at, values, now)
    if source.prediction_id is not None:
        return SourceRow(label, at, prediction_id=_text(source.prediction_id, values))
    if source.request_id is not None:
        row = 0 if source.row is None else _row(source.row, values)
        return SourceRow(label, at, request=(_text(source.request_id, values), row))
    entity = {name: _entity_value(name, values) for name in source.entity}
    return SourceRow(label, at, entity=entity, time=_moment(str(source.time), values, now))


def _text(name: str, values: Mapping[str, Any]) -> str:
    text = "" if values.get(name) is None else str(values[name]).strip()
    if not text:
        raise RowError(f"{name} is empty")
    if len(text) > LONGEST:
        raise RowError(f"{name} has {len(text)} characters, and may have {LONGEST}")
    if not _is_unicode(text):
        raise RowError(f"{name} is not UTF-8 text")
    return text


def _entity_value(name: str, values: Mapping[str, Any]) -> Any:
    value = values.get(name)
    if isinstance(value, float) and not isfinite(value):
        raise RowError(f"{name} is not a finite number")
    return value if isinstance(value, bool | int | float) else _text(name, values)


def _row(name: str, values: Mapping[str, Any]) -> int:
    row = _whole(values.get(name))
    if row is None:
        raise RowError(f"{name} is not a whole number")
    if not 0 <= row < _LARGEST_ROW:
        raise RowError(f"{name} is not a row from 0")
    return row


def _whole(value: object) -> int | None:
    """Return a whole number, also one that was read as a float or as digits; None for all else: nothing is rounded."""
    if isinstance(value, str):
        return int(value) if _DIGITS.fullmatch(value.strip()) else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not isfinite(value):
        return None
    return int(value) if value == int(value) else None


def _moment(name: str, values: Mapping[str, Any], now: datetime) -> datetime:
    """Return a time in UTC; one without an offset is taken as UTC."""
    value = values.get(name)
    try:
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        read = value if isinstance(value, datetime) else datetime.fromisoformat(_text(name, values))
        moment = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except RowError:
        raise
    except (ValueError, OverflowError):
        raise RowError(f"{name} is not a time in ISO 8601") from None
    fault = out_of_bounds(moment)
    if fault is not None:
        raise RowError(f"{name} is {fault}")
    if moment > now + AHEAD:
        raise RowError(f"{name} is in the future")
    return moment


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
