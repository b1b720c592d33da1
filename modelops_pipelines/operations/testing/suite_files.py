"""Reads and writes a suite's file, ``suites/<endpoint>/<suite>.csv``; every fault is reported with its line."""

import csv
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from modelops_pipelines.core.errors import Fault, InputError, UnknownError
from modelops_pipelines.core.escaping import csv_text, from_csv_text
from modelops_pipelines.core.evaluation.suites import (
    CASE,
    EXPECTATIONS,
    EXPECTED,
    RESERVED,
    SCORE_MAX,
    SCORE_MIN,
    TOLERANCE,
    Case,
)
from modelops_pipelines.store.filesystem.files import write_atomically

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_MAX_FAULTS_SHOWN = 20
_BOOLS = {"true": True, "false": False, "1": True, "0": False}
_LINE_END = "\r\n"


@dataclass(frozen=True)
class Suite:
    """A suite's cases, in the order of its file."""

    name: str
    path: Path
    features: tuple[str, ...]
    cases: tuple[Case, ...]


def suite_path(folder: Path, endpoint: str, suite: str) -> Path:
    """Return the path of a suite; raises InputError for an invalid name."""
    if not _NAME.fullmatch(suite):
        raise InputError(f"{suite!r} is not a valid name of a suite", "Use letters, digits, '-', '_' and '.'")
    return folder / endpoint / f"{suite}.csv"


def suites_of(folder: Path, endpoint: str) -> list[str]:
    """Return the names of an endpoint's suites."""
    return sorted(path.stem for path in (folder / endpoint).glob("*.csv"))


def read_suite_file(path: Path, types: Mapping[str, str], task: str) -> Suite:
    """Return the suite in a file; ``types`` are the features that the endpoint's model may take.

    Raises UnknownError when the file does not exist, InputError with every fault by file, line and column.
    """
    lines = _lines(path)
    reading = _Reading(path, types, task)
    cases = reading.read(lines)
    if reading.faults:
        shown = "\n".join(f"  {fault}" for fault in reading.faults[:_MAX_FAULTS_SHOWN])
        more = len(reading.faults) - _MAX_FAULTS_SHOWN
        shown += f"\n  and {more} more" if more > 0 else ""
        raise InputError(f"{len(reading.faults)} fault(s) in the suite:\n{shown}", "Correct these lines")
    features = tuple(name for name in lines[0][1] if name not in RESERVED)
    return Suite(path.stem, path, features, tuple(cases))


def write_suite_file(path: Path, features: Sequence[str], cases: Sequence[Case]) -> None:
    """Write a suite atomically; expectations that no case has get no column."""
    used = [name for name in EXPECTATIONS if any(getattr(case, name) is not None for case in cases)]
    lines = [_csv_line((CASE, *features, *used))]
    for case in cases:
        values = [*(case.features.get(name) for name in features), *(getattr(case, name) for name in used)]
        lines.append(_csv_line((case.name, *map(_format_value, values))))
    write_atomically(path, "".join(lines).encode())


def _csv_line(cells: Sequence[str]) -> str:
    """Return a line of a CSV file; a carriage return within a cell is quoted, as a line feed is."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator=_LINE_END).writerow([csv_text(cell) for cell in cells])
    return f"{line.getvalue().removesuffix(_LINE_END)}\n"


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the lines that are not empty, each with its number."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        fix = "Write one, or create one from the log: modelops model cases ENDPOINT NAME --rows N"
        raise UnknownError(f"There is no suite {path} ({error.strerror})", fix) from error
    except UnicodeDecodeError as error:
        raise InputError(f"The suite {path} is not UTF-8 text (byte {error.start})", "Save it as UTF-8") from error
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        lines = [(reader.line_num, [from_csv_text(cell) for cell in line]) for line in reader if line]
    except csv.Error as error:
        message = f"{path}:{reader.line_num}: the line cannot be read ({error})"
        raise InputError(message, "Close each quote that opens a field, and double the quotes within it") from error
    if len(lines) < 2:  # noqa: PLR2004 - the column names, and one case
        raise InputError(f"The suite {path} has no case", "Write a line of column names, then one line per case")
    return lines


@dataclass
class _Reading:
    """The reading of a file, with the faults found so far."""

    path: Path
    types: Mapping[str, str]
    task: str
    faults: list[Fault] = field(default_factory=list)
    line: int = 1

    def read(self, lines: Sequence[tuple[int, list[str]]]) -> list[Case]:
        self.line, names = lines[0]
        self._check_names(names)
        if self.faults:
            return []
        cases: dict[str, Case] = {}
        for self.line, values in lines[1:]:
            if len(values) != len(names):
                self._fault(
                    "the line", f"it has {len(values)} fields; the first line has {len(names)}", "Correct the line"
                )
                continue
            case = self._case(dict(zip(names, values, strict=True)))
            if case.name in cases:
                self._fault(CASE, f"the name {case.name!r} is used twice", "Give each case a unique name")
            cases[case.name] = case
        return list(cases.values())

    def _check_names(self, names: Sequence[str]) -> None:
        for name in sorted({name for name in names if names.count(name) > 1}):
            self._fault(name, "the column occurs twice", "Remove one")
        for name in names:
            if name not in RESERVED and name not in self.types:
                known = ", ".join((*sorted(self.types), *EXPECTATIONS))
                self._fault(name, "it is neither a feature nor an expectation", f"Known: {known}")
        if CASE not in names:
            self._fault(CASE, "the column is missing", "Give each case a name")
        if not {EXPECTED, SCORE_MIN, SCORE_MAX} & set(names):
            self._fault(EXPECTED, "no column holds an expectation", f"Add one of: {', '.join(EXPECTATIONS)}")
        if not set(names) - RESERVED:
            self._fault("features", "no column is a feature", "Add the model's features")

    def _case(self, values: Mapping[str, str]) -> Case:
        name = values[CASE].strip()
        if not name:
            self._fault(CASE, "it is empty", "Give each case a name")
        features = {key: self._feature(key, text) for key, text in values.items() if key not in RESERVED}
        tolerance, least, most = (self._number(key, values.get(key, "")) for key in (TOLERANCE, SCORE_MIN, SCORE_MAX))
        expected: str | float | None = values.get(EXPECTED, "").strip() or None
        if expected is not None and (tolerance is not None or self.task == "regression"):
            expected = self._number(EXPECTED, str(expected))
        self._check_expectations(expected, tolerance, least, most)
        return Case(name, features, expected, tolerance, least, most)

    def _check_expectations(
        self, expected: str | float | None, tolerance: float | None, least: float | None, most: float | None
    ) -> None:
        if expected is None and least is None and most is None:
            self._fault(EXPECTED, "the case has no expectation", "Fill in the expected answer or a score's limits")
        if tolerance is not None and (expected is None or tolerance < 0):
            self._fault(TOLERANCE, "it needs an expected number, and must not be below 0", "Correct it")
        if self.task == "regression" and expected is not None and tolerance is None:
            self._fault(
                TOLERANCE, "a regression's expected number needs a tolerance", "Set how far off the answer may be"
            )
        if self.task == "regression" and (least is not None or most is not None):
            self._fault(SCORE_MIN, "a regression has no score", "Use 'expected' with 'tolerance'")
        if least is not None and most is not None and least > most:
            self._fault(SCORE_MIN, f"{least:g} is above score_max {most:g}", "Swap them")

    def _number(self, name: str, given: str) -> float | None:
        number: float | None = self._converted(name, given, _number, "a number")
        return number

    def _feature(self, name: str, given: str) -> Any:
        kind = self.types[name]
        return self._converted(name, given, _CONVERTERS[kind], _KINDS[kind])

    def _converted(self, name: str, given: str, convert: Callable[[str], Any], kind: str) -> Any:
        if given == "":
            return None
        try:
            return convert(given)
        except (ValueError, KeyError, OverflowError):
            self._fault(name, f"{given[:60]!r} is not {kind}", "Correct it, or leave it empty if it is unknown")
            return None

    def _fault(self, culprit: str, problem: str, fix: str) -> None:
        self.faults.append(Fault(str(self.path), self.line, culprit, problem, fix))


def _number(given: str) -> float:
    number = float(given)
    if not math.isfinite(number):
        raise ValueError
    return number


def _whole(given: str) -> int:
    number = float(given)
    if not number.is_integer():
        raise ValueError
    return int(given) if given.lstrip("+-").isdecimal() else int(number)


def _moment(given: str) -> datetime:
    moment = datetime.fromisoformat(given)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


_CONVERTERS: Mapping[str, Callable[[str], Any]] = {
    "float": _number,
    "int": _whole,
    "text": str,
    "bool": lambda given: _BOOLS[given.strip().lower()],
    "timestamp": _moment,
    "json": lambda given: orjson.dumps(orjson.loads(given)).decode(),
}
_KINDS = {
    "float": "a number",
    "int": "a whole number",
    "text": "text",
    "bool": "true or false",
    "timestamp": "an ISO 8601 time",
    "json": "JSON",
}


def _format_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return repr(value) if isinstance(value, float) else str(value)
