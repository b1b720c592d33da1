"""The rows that a version is tried on when it is loaded: its input example's, and rows that vary every type beyond it.

Half of the varied rows keep the example's own values, except that floats always vary. In the others integers lie below,
between and above the example's, text is recombined, unknown, empty or of another case, booleans are both, and times lie
up to 400 days away. A second set of rows has nulls as well.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.input_forms import JSON, InputForm, placeholder
from modelops_pipelines.core.models.typed_columns import Columns, typed_columns
from modelops_pipelines.operations.model_runtime.input_examples import Row, read_example

Predict = Callable[[Columns], NDArray[Any]]
Random = np.random.Generator
PROBE_ROWS = 96
LIMITS = (2048, 512, PROBE_ROWS)
EXAMPLE_ROWS = 100
"""The most rows of an input example that are used."""
NULLABLE = frozenset({"float", "text", "timestamp"})
NULLS = 0.15
_SEARCH_SECONDS = 3.0
_SEARCH_CALLS = 400
_VARIED, _DAYS, _UNKNOWN = 0.7, 400, 50
_WHOLE_LIMIT = 2**31 - 1
_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class ExampleRows:
    """Rows to try first, typed as a request's: the version's own example where it is usable, else placeholders."""

    columns: Columns
    count: int
    params: Mapping[str, Any] | None
    is_own: bool


def example_rows(folder: Path, form: InputForm) -> ExampleRows:
    """Return the rows of the version's input example that a request could have, else rows made from its signature."""
    example = read_example(folder, form)
    typed = _typed_rows(example.rows[:EXAMPLE_ROWS], form)
    if typed:
        return ExampleRows(_as_columns(typed, form.kinds), len(typed), example.params, is_own=True)
    return ExampleRows(_placeholders(form), 1, example.params, is_own=False)


def make_probe_rows(mlflow: Predict, folder: Path, form: InputForm) -> tuple[list[Columns], bool]:
    """Return varied rows, then the same with nulls, without those that the model fails on; and whether they vary.

    Nulls are needed, because a model that fills them from neighbouring rows is row-wise on all other rows. The rows do
    not vary when the model accepts only one value of some column: then they cannot show whether rows depend on each
    other. There are no rows without an input example, unless all inputs are floats.
    """
    rows = _varied_rows(folder, form)
    if rows is None:
        return [], False
    tried = [answered_rows(mlflow, columns) for columns in (rows, _with_nulls(rows, form))]
    for what, answered in zip(("rows like its input example", "rows with nulls"), tried, strict=True):
        if answered is None:
            _LOG.info("The model fails on %s", what)
    if tried[0] is None:
        return [], False
    varied = all(len(set(values)) > 1 for values in tried[0].values())
    return [columns for columns in tried if columns is not None], varied


def answered_rows(predict: Predict, rows: Columns) -> Columns | None:
    """Return the rows, or as many drawn from those of the first that the model answers; None when there are none.

    Batches that fail are halved until the rows are found, within _SEARCH_CALLS predictions and _SEARCH_SECONDS.
    """
    if _answers(predict, part(rows, 0, PROBE_ROWS)):
        return rows
    until = time.monotonic() + _SEARCH_SECONDS
    kept: list[int] = []
    waiting = [(0, PROBE_ROWS), (PROBE_ROWS, 2 * PROBE_ROWS)]
    for _ in range(_SEARCH_CALLS):
        if not waiting or time.monotonic() > until:
            break
        start, end = waiting.pop(0)
        if _answers(predict, part(rows, start, end)):
            kept += range(start, end)
        elif end - start > 1:
            middle = (start + end) // 2
            waiting += [(start, middle), (middle, end)]
    if not kept:
        return None
    drawn = np.random.default_rng(2).choice(kept, LIMITS[0]).tolist()
    found = {name: [values[index] for index in drawn] for name, values in rows.items()}
    return found if _answers(predict, part(found, 0, PROBE_ROWS)) else None


def part(columns: Columns, start: int, end: int) -> Columns:
    """Return the rows from ``start`` to before ``end``."""
    return {name: values[start:end] for name, values in columns.items()}


def _answers(predict: Predict, rows: Columns) -> bool:
    try:
        predict(rows)
    except (Exception, SystemExit):  # noqa: BLE001 - a model's code may raise anything on generated rows
        return False
    return True


def _typed_rows(rows: Sequence[Row], form: InputForm) -> list[Columns]:
    """Return the rows that have every input in its type, each as columns of one value."""
    found = []
    for row in rows:
        try:
            typed = typed_columns({name: [row.get(name)] for name in form.kinds}, form.kinds, form.optional)
        except InputError:
            continue
        if len(typed) == len(form.kinds):
            found.append(typed)
    return found


def _as_columns(rows: Sequence[Columns], inputs: Mapping[str, str]) -> Columns:
    return {name: [row[name][0] for row in rows] for name in inputs}


def _placeholders(form: InputForm) -> Columns:
    return typed_columns({one.column: [placeholder(one.declared)] for one in form.inputs}, form.kinds)


def _varied_rows(folder: Path, form: InputForm) -> Columns | None:
    """Return varied rows; without an example random numbers for inputs that are all floats, else None."""
    random = np.random.default_rng(0)
    example = example_rows(folder, form)
    if not example.is_own:
        numbers = set(form.kinds.values()) <= {"float"}
        return {name: random.normal(size=LIMITS[0]).tolist() for name in form.kinds} if numbers else None
    keeps, made = random.random(LIMITS[0]) < 1 / 2, _placeholders(form)
    return {name: _vary(example.columns[name], made[name], kind, keeps, random) for name, kind in form.kinds.items()}


def _vary(values: Sequence[Any], made: Sequence[Any], kind: str, keeps: NDArray[np.bool_], random: Random) -> list[Any]:
    """Return as many values as ``keeps`` has: like the given ones where it is true, else mostly varied.

    ``made`` are used where none is given.
    """
    own = [value for value in values if value is not None and value == value]  # noqa: PLR0124 - NaN
    known = own or made
    drawn = [known[index] for index in random.integers(0, len(known), len(keeps))]
    if kind == "float":
        noise = random.normal(size=(2, len(keeps)))
        noisy: list[Any] = (np.array(drawn, dtype=np.float64) * (1 + noise[0] / 3) + noise[1] / 7).tolist()
        return noisy
    keeps = keeps | (random.random(len(keeps)) > _VARIED)
    make = _OTHERS[kind](known, random)
    return [value if keep else make() for value, keep in zip(drawn, keeps, strict=True)]


def _other_whole(known: Sequence[int], random: Random) -> Callable[[], int]:
    low, high = min(known), max(known)
    span = high - low + 10
    limit = max(_WHOLE_LIMIT, abs(low), abs(high))

    def make() -> int:
        number = int(random.integers(0, 3 * span)) + low - span
        return max(-limit, min(limit, number * 1000 if random.random() < 1 / 10 else number))

    return make


def _other_text(known: Sequence[str], random: Random) -> Callable[[], str]:
    def one() -> str:
        return known[int(random.integers(0, len(known)))]

    def make() -> str:
        first, second, choice = one(), one(), random.random()
        if choice < 0.4:  # noqa: PLR2004 - shares of the kinds of text
            return f"unknown {int(random.integers(0, _UNKNOWN))}"
        if choice < 0.7:  # noqa: PLR2004
            return first[: len(first) // 2] + second[len(second) // 2 :]
        if choice < 0.8:  # noqa: PLR2004
            return f"{first} {second}"
        return first.swapcase() if choice < 0.95 else ""  # noqa: PLR2004

    return make


def _other_known(known: Sequence[str], random: Random) -> Callable[[], str]:
    return lambda: known[int(random.integers(0, len(known)))]


def _other_flag(_: Sequence[bool], random: Random) -> Callable[[], bool]:
    return lambda: bool(random.random() < 1 / 2)


def _other_moment(known: Sequence[datetime], random: Random) -> Callable[[], datetime]:
    first, last = datetime(1700, 1, 1, tzinfo=UTC), datetime(2250, 1, 1, tzinfo=UTC)

    def make() -> datetime:
        moment = known[int(random.integers(0, len(known)))]
        away = timedelta(seconds=int(random.integers(-_DAYS * 86400, _DAYS * 86400)))
        return min(last, max(first, moment)) + away

    return make


def _with_nulls(rows: Columns, form: InputForm) -> Columns:
    random = np.random.default_rng(1)
    columns = dict(rows)
    kinds = form.kinds.items()
    for name in [name for name, kind in kinds if kind in NULLABLE or (name in form.optional and kind != "int")]:
        nulls = random.random(LIMITS[0]) < NULLS
        columns[name] = [None if null else value for value, null in zip(rows[name], nulls, strict=True)]
    return columns


_OTHERS: Mapping[str, Callable[[Any, Random], Callable[[], Any]]] = {
    "int": _other_whole,
    "text": _other_text,
    "bool": _other_flag,
    "timestamp": _other_moment,
    JSON: _other_known,
}
