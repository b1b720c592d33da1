"""Reads a CSV file in batches of bounded size; a line of another number of values is that line's fault alone."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv as pacsv

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.operations.capture.elsewhere.batches import Batch, of_arrow
from modelops_pipelines.store.filesystem.files import open_unpacked

BLOCK = 8 * 1024 * 1024
"""A row is at most so long."""
_HEAD = 1024 * 1024
_BOMS = (b"\xff\xfe", b"\xfe\xff")


def csv_batches(path: Path) -> Iterator[Batch]:
    """Yield the file's rows as bytes, null where a field is empty; raises InputError, ArrowInvalid for a long row."""
    with open_unpacked(path) as handle:
        names = _header(handle)
        handle.seek(0)
        wrong: dict[int, str] = {}
        reader = pacsv.open_csv(
            handle,
            pacsv.ReadOptions(use_threads=False, block_size=BLOCK),
            pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=_collector(wrong)),
            pacsv.ConvertOptions(
                default_column_type=pa.binary(),
                check_utf8=False,
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=True,
            ),
        )
        if len(reader.schema) != len(names):
            raise InputError("The header is not one line of names", "Write the columns' names in the first line")
        place, number = path.name.encode("utf-8", "replace").decode(), 1
        for rows in reader:
            numbers, refused = _numbered(number, len(rows), wrong)
            number = max([*numbers[-1:], *(one for one, _ in refused), number - 1]) + 1
            found = of_arrow(place, 0, rows, numbers)
            yield Batch(found.place, found.numbers, found.columns, refused)
        if wrong:
            yield Batch(place, [], {name: pa.nulls(0, pa.binary()) for name in names}, sorted(wrong.items()))


def _header(handle: IO[bytes]) -> list[str]:
    """Return the columns' names; raises InputError for a file that is no UTF-8 text, and for a name given twice."""
    head = handle.read(_HEAD)
    if head.startswith(_BOMS) or b"\0" in head:
        raise InputError("The file is not UTF-8 text, but UTF-16 or binary", "Save it as UTF-8")
    try:
        line = head.removeprefix(b"\xef\xbb\xbf").splitlines()[0].decode()
    except (IndexError, UnicodeDecodeError):
        raise InputError("The file has no header of names", "Write the columns' names in the first line") from None
    names = next(csv.reader([line]))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"The file has two columns {twice[:80]!r}", "Give each its own name")
    return names


def _collector(wrong: dict[int, str]):  # type: ignore[no-untyped-def] # noqa: ANN202 - pyarrow's handler
    """Return what pyarrow tells of a line that does not fit; its numbers count the header."""

    def collect(row: pacsv.InvalidRow) -> str:
        wrong[int(row.number or 0) - 1] = f"it has {row.actual_columns} values for {row.expected_columns} columns"
        return "skip"

    return collect


def _numbered(first: int, rows: int, wrong: dict[int, str]) -> tuple[Sequence[int], list[tuple[int, str]]]:
    """Return the numbers of a batch's rows, and the refused ones before its last, which are taken from ``wrong``."""
    if not wrong:
        return range(first, first + rows), []
    numbers, number = list[int](), first
    while len(numbers) < rows:
        if number not in wrong:
            numbers.append(number)
        number += 1
    return numbers, sorted((one, wrong.pop(one)) for one in list(wrong) if one < number)
