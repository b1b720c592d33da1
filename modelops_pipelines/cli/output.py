"""How commands print: aligned columns for people, JSON for programs."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from modelops_pipelines.core.escaping import visible
from modelops_pipelines.core.windows import text

if TYPE_CHECKING:
    from modelops_pipelines.operations.release.apply import Change

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def echo(message: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text; what a terminal would obey or hide is written out."""
    click.echo(visible(message, "\n\t"), err=err, nl=nl)


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str) -> None:
    """Print rows as JSON, or as aligned columns; without rows print ``empty`` to stderr."""
    if as_json:
        echo(as_text([dict(row) for row in rows]))
    elif not rows:
        echo(empty, err=True)
    else:
        echo(table(rows))


def show_page(items: Sequence[Mapping[str, Any]], next_cursor: str | None, *, as_json: bool, empty: str) -> None:
    """Print a page of a list: as JSON with its cursor, or as ``show_rows`` does, then how to see the next page."""
    if as_json:
        show_value({"items": items, "next_cursor": next_cursor}, as_json=True)
        return
    show_rows(items, as_json=False, empty=empty)
    if next_cursor:
        echo(f"more: --cursor {next_cursor}", err=True)


def show_value(value: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one object as JSON, or as lines of name and value."""
    if as_json:
        echo(as_text(dict(value)))
        return
    width = max(len(name) for name in value)
    for name, part in value.items():
        echo(f"{name:<{width}}  {cell(part)}")


def show_change(change: "Change", *, as_json: bool) -> None:
    """Print the result of a change of an endpoint: as JSON, or as a sentence."""
    if as_json:
        show_value(asdict(change), as_json=True)
    else:
        echo(change.sentence)


def as_text(value: Any) -> str:
    """Return a value as JSON that every program reads: NaN and the infinities are null."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as aligned columns under their names; numbers to the right."""
    names = list(rows[0])
    cells = [[cell(row.get(name)) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(names)]
    right = [all(isinstance(row.get(name), int | float | None) for row in rows) for name in names]
    lines = [names, *cells]
    return "\n".join(
        "  ".join(_align(c, w, r) for c, w, r in zip(line, widths, right, strict=True)).rstrip() for line in lines
    )


def cell(value: Any) -> str:
    """Return one value as text for people."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | Decimal):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return text(_in_utc(value))[:16].replace("T", " ")
    shown = json.dumps(_plain(value)) if isinstance(value, list | tuple | Mapping) else str(value)
    return "".join(letter if letter.isprintable() else " " for letter in shown)


def _align(content: str, width: int, right: bool) -> str:  # noqa: FBT001 - a private helper
    return content.rjust(width) if right else content.ljust(width)


def _plain(value: Any) -> Any:
    """Return a value with JSON's types only."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime):
        return text(_in_utc(value))
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _in_utc(moment: datetime) -> datetime:
    """Return the moment with its offset; without an offset it is UTC, like every time in the lake."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
