"""How commands print: aligned columns for people, JSON for programs."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import click

from modelops_pipelines.core.windows import text

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str) -> None:
    """Print rows as JSON, or as aligned columns; ``empty`` is told on stderr when there are none."""
    if as_json:
        click.echo(json.dumps([dict(row) for row in rows], default=_plain, indent=2))
    elif not rows:
        click.echo(empty, err=True)
    else:
        click.echo(table(rows))


def show_value(value: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one object as JSON, or as lines of name and value."""
    if as_json:
        click.echo(json.dumps(dict(value), default=_plain, indent=2))
        return
    width = max(len(name) for name in value)
    for name, part in value.items():
        click.echo(f"{name:<{width}}  {cell(part)}")


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
    """Return one value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return text(value)[:16].replace("T", " ")
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=_plain)
    return str(value)


def _align(content: str, width: int, right: bool) -> str:  # noqa: FBT001 - a private helper
    return content.rjust(width) if right else content.ljust(width)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return text(value)
    return value.isoformat() if isinstance(value, date) else str(value)
