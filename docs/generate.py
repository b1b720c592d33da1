"""Generate docs/reference/ from the code: python docs/generate.py. The output depends on the code only."""

import inspect
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson

from modelops_pipelines.cli.exit_codes import EXIT_PERMANENT, EXIT_TRANSIENT
from modelops_pipelines.cli.main import cli
from modelops_pipelines.core import errors
from modelops_pipelines.core.capture.keyed_labels import KEYED_FIELDS
from modelops_pipelines.core.capture.spool_records import (
    FEEDBACK_FIELDS,
    FIRST_RELEASE,
    LABEL_FIELDS,
    OPTIONAL_KEYS,
    PREDICTION_FIELDS,
    Field,
    prediction_record,
)
from modelops_pipelines.core.ids import new_request_id
from modelops_pipelines.core.tables.columns import Column, Table
from modelops_pipelines.core.tables.derivations import lake_tables
from modelops_pipelines.core.tables.state import STATE
from modelops_pipelines.core.tables.training import TRAINING_ORIGINS
from modelops_pipelines.gateway.http.errors import code_of, status_of
from modelops_pipelines.store.spool.checksums import Tally, seal_line
from modelops_pipelines.store.spool.segments import encode

FOLDER = Path(__file__).parent / "reference"
WIDTH = 110
HEADER = "<!-- Written by docs/generate.py; change the code, not this page. -->\n"
TYPES = {
    "text": "text",
    "int": "64-bit integer",
    "float": "64-bit float",
    "bool": "true or false",
    "timestamp": "timestamp, UTC, microseconds",
    "date": "date",
    "json": "JSON as text",
    "ints": "list of 64-bit integers",
    "floats": "list of 64-bit floats",
}

_SPOOL = (
    "Records that the gateway has captured and that are not ingested into the lake yet. The files are segments, "
    "`<home>/spool/<endpoint>/<stream>/<worker>/<segment>.jsonl`; the segment being written ends in `.open`. A line is "
    "a record: a JSON object whose last key `crc` is the CRC-32 of the bytes before it. The last line of a sealed "
    "segment is its seal: the number of lines before it, and the CRC-32 of their bytes. Example: the record of a "
    "request with two rows, and the seal:\n"
)
_TIMESTAMPS = (
    "Timestamps are integers: microseconds since 1970 in UTC, also among the features. A regression's "
    "predictions and labels are numbers.\n"
)


def pages() -> dict[str, str]:
    """Return the pages by file name."""
    return {
        "cli.md": _cli_page(),
        "tables.md": _tables_page(),
        "spool.md": _spool_page(),
        "errors.md": _errors_page(),
    }


def help_texts() -> list[tuple[str, str]]:
    """Return each command's full name and its help text."""
    return list(_help_of(cli, click.Context(cli, info_name="modelops", **_layout())))


def _layout() -> dict[str, int]:
    return {"terminal_width": WIDTH, "max_content_width": WIDTH}


def _help_of(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    context.help_option_names = ["-h", "--help"]
    yield context.command_path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _help_of(inner, click.Context(inner, info_name=name, parent=context, **_layout()))


def _cli_page() -> str:
    parts = [HEADER, "# Command line\n", "Results go to stdout, messages to stderr.\n", _exit_codes()]
    parts += [f"## {name}\n\n```text\n{text}\n```\n" for name, text in help_texts()]
    return "\n".join(parts)


def _exit_codes() -> str:
    rows = [
        (0, "success"),
        (1, "unexpected error: please report it"),
        (2, "usage error"),
        (EXIT_PERMANENT, "permanent failure: a retry fails again"),
        (EXIT_TRANSIENT, "temporary failure: retry later"),
    ]
    return _table(("exit code", "meaning"), [(str(code), meaning) for code, meaning in rows])


def _tables_page() -> str:
    about = (
        "Delta tables, `lake/<endpoint>/<table>`, partitioned by `date`. `modelops sql` shows each as "
        "`<endpoint>.<table>`. The log has one more column per feature. A regression's predictions and labels are "
        "floats.\n"
    )
    lake = ["## The lake\n", about]
    state = ["## The state database\n", "For operators. Not a public interface: it may change with any release.\n"]
    parts = [
        HEADER,
        "# Tables\n",
        *lake,
        *map(_section, lake_tables()),
        _section(TRAINING_ORIGINS),
        *state,
        *map(_section, STATE),
    ]
    return "\n".join(parts)


def _section(table: Table) -> str:
    rows = [
        (
            f"`{column.name}`" + (" (key)" if column.name in table.key else ""),
            TYPES[column.type] + _or_null(column),
            _meaning(column),
        )
        for column in table.columns
    ]
    return f"### {table.name}\n\n{table.about}\n\n{_table(('column', 'type', 'meaning'), rows)}"


def _spool_page() -> str:
    parts = [HEADER, "# Spool\n", _SPOOL, f"```json\n{_sample()}```\n", _TIMESTAMPS, _compatibility()]
    parts += ["## predictions\n", "One record per request, answered or failed.\n", _prediction_fields()]
    parts += [_response_section("labels", LABEL_FIELDS), _keyed_section()]
    parts += [_response_section("feedback", FEEDBACK_FIELDS)]
    return "\n".join(parts)


def _compatibility() -> str:
    later = [f"`{key}` ({field.since})" for key, field in PREDICTION_FIELDS.items() if field.since != FIRST_RELEASE]
    return (
        "Every release reads the records of earlier releases. The key and the meaning of a field never change. Fields "
        f"that a later release added are absent in older records: {', '.join(later)}.\n"
    )


def _prediction_fields() -> str:
    rows = []
    for key, field in PREDICTION_FIELDS.items():
        read_into = "" if field.per == "record" else f"`{field.column.name}`"
        rows.append((f"`{key}`", _record_type(key, field), _meaning(field.column), read_into))
    return _table(("key", "type", "meaning", "column of the log"), rows)


def _response_section(stream: str, fields: tuple[Column, ...]) -> str:
    rows = [(f"`{field.name}`", _json_type(field) + _or_null(field), _meaning(field)) for field in fields]
    about = f'One record per call, `{{"rows": [...]}}`. The keys of a row are columns of the table `{stream}`.\n'
    return f"## {stream}\n\n{about}\n{_table(('key of a row', 'type', 'meaning'), rows)}"


def _keyed_section() -> str:
    rows = [(f"`{field.name}`", _json_type(field) + _or_null(field), _meaning(field)) for field in KEYED_FIELDS]
    about = (
        "A record of `labels` may have, beside or instead of `rows`, the key `keyed`: rows of labels that name their "
        "prediction by the caller's own request id, or by entity and time. Their keys are columns of the table "
        "`keyed_labels`.\n"
    )
    return f"### keyed\n\n{about}\n{_table(('key of a row', 'type', 'meaning'), rows)}"


def _sample() -> str:
    """Return a segment of one record."""
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    record = prediction_record(
        request_id=new_request_id("flights", at, 2, bytes(7), b"").text,
        event_time=at,
        received_at=at,
        model_version="3",
        variant="champion",
        rows=2,
        status=200,
        error_code=None,
        latency_ms=1.5,
        user_id="ann",
        session_id=None,
        client_request_id=None,
        source="live",
        key_id=None,
        prediction=["0", "1"],
        score=[0.25, 0.75],
        features={"distance": [500.0, None], "carrier": ["UA", "AA"]},
    )
    line = encode(record)
    return (line + seal_line(Tally().plus(line, 1))).decode()


def _record_type(key: str, field: Field) -> str:
    kind = _json_type(field.column)
    if field.per == "row":
        return f"list of {kind}, one per row; or null"
    if key in OPTIONAL_KEYS:
        return f"{kind}; absent means {orjson.dumps(field.absent).decode()}"
    return kind + _or_null(field.column)


def _json_type(column: Column) -> str:
    kinds = {"timestamp": "integer, microseconds", "json": "object of lists"}
    return kinds.get(column.type, TYPES[column.type])


def _or_null(column: Column) -> str:
    return ", may be null" if column.nullable else ""


def _meaning(column: Column) -> str:
    return column.about + (f" ({column.unit})" if column.unit and column.type != "timestamp" else "")


def _errors_page() -> str:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if _is_ours(kind)]
    rows = sorted((_code(kind), str(_status(kind)), _exit(kind), str(inspect.getdoc(kind))) for kind in kinds)
    about = (
        'The gateway answers `{"error": {"code", "message", "remedy", "request_id"}}`; the command line prints '
        "message and remedy and exits with the exit code.\n"
    )
    internal = "Any unexpected error is `internal` with status 500; its details are in the gateway's log only.\n"
    parts = [HEADER, "# Errors\n", about, _table(("code", "status", "exit code", "meaning"), rows), internal]
    return "\n".join(parts)


def _is_ours(kind: type) -> bool:
    families = (errors.ModelOpsError, errors.PermanentError, errors.TransientError)
    return issubclass(kind, errors.ModelOpsError) and kind not in families


def _code(kind: type[errors.ModelOpsError]) -> str:
    return f"`{code_of(_example(kind))}`"


def _status(kind: type[errors.ModelOpsError]) -> int:
    return status_of(_example(kind))


def _exit(kind: type[errors.ModelOpsError]) -> str:
    return str(EXIT_PERMANENT if issubclass(kind, errors.PermanentError) else EXIT_TRANSIENT)


def _example(kind: type[errors.ModelOpsError]) -> errors.ModelOpsError:
    return errors.OnboardingError([]) if kind is errors.OnboardingError else kind("", "")


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    escaped = [[re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in escaped) + "\n"


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, content in pages().items():
        (FOLDER / name).write_text(content)


if __name__ == "__main__":
    main()
