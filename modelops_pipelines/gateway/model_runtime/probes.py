"""Rows to try a version on when it is loaded, and what its answers prove. How it is served then is ways.py's."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.gateway.bodies.typed_columns import Columns, typed_columns
from modelops_pipelines.gateway.model_runtime.frames import NULLABLE, example_of

if TYPE_CHECKING:
    import pandas as pd

Predict = Callable[[Columns], NDArray[Any]]
PROBE_ROWS = 96
LIMITS = (2048, 512, PROBE_ROWS)
PADS = (1, 4, 8, 16)
BATCHES = (1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 40, 64)
LARGE_BATCHES = (96, 200, 333, 512, 548, 556, 596, 620, 1000, 1501, 1996, 2028, 2036, 2048)
"""Among them sizes whose halves are no whole blocks: from some size on the library gives each core a half."""
NULLS = 0.15
_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class Merging:
    """How requests may be merged: into batches of at most ``most`` rows, filled up to a multiple of ``pad``."""

    most: int
    pad: int


@dataclass(frozen=True)
class Probe:
    """Rows, and what MLflow's ``predict`` answers to all of them at once."""

    rows: Columns
    answers: NDArray[Any]


def rows_to_try(plain: Predict, folder: Path, inputs: Mapping[str, str]) -> list[Columns]:
    """Return rows like the model's examples, then the same with nulls; what the model refuses is left out.

    Nulls, because a model that fills them from the rows beside them is row-wise on all others.
    """
    taken: list[Columns] = []
    try:
        rows = _like_examples(folder, inputs)
        for given in () if rows is None else (rows, _with_nulls(rows, inputs)):
            plain(part(given, 0, PROBE_ROWS))
            taken.append(given)
    except Exception as error:  # noqa: BLE001 - a model's own code may raise anything on rows that nobody logged
        what = "rows like its input example with nulls" if taken else "rows like its input example"
        _LOG.info("the model refuses %s (%s)", what, type(error).__name__)
    return taken


def answered(plain: Predict, rows: Sequence[Columns], most: int) -> list[Probe]:
    """Return the first ``most`` of each of the rows with MLflow's answers; empty where the model fails on so many."""
    try:
        parts = [part(given, 0, most) for given in rows]
        return [Probe(given, plain(given)) for given in parts]
    except Exception:  # noqa: BLE001 - as above
        return []


def proven_pad(predict: Predict, probes: Sequence[Probe], most: int) -> int | None:
    """Return the smallest padding under which every batch answers as MLflow answers all rows at once, or None."""
    sizes = sorted({*BATCHES, *(size for size in LARGE_BATCHES if size <= most)})
    for pad in PADS if probes else ():
        if all(_batches_equal(predict, probe, size, pad) for size in sizes for probe in probes):
            return pad
    return None


def equal_alone(predict: Predict, plain: Predict, rows: Columns) -> bool:
    """Return whether each batch, by itself, is answered as MLflow answers it by itself."""
    for size in BATCHES:
        given = part(rows, PROBE_ROWS - size, PROBE_ROWS)
        try:
            if not _same(predict(given), plain(given)):
                return False
        except Exception:  # noqa: BLE001 - a model's own code: what fails is no shortcut
            return False
    return True


def part(columns: Columns, start: int, end: int) -> Columns:
    """Return some of the rows."""
    return {name: values[start:end] for name, values in columns.items()}


def padded(columns: Columns, rows: int, pad: int) -> Columns:
    """Return the columns filled up to a multiple of ``pad`` rows by repeating the last one."""
    more = -rows % pad
    return columns if not more else {name: values + values[-1:] * more for name, values in columns.items()}


def _batches_equal(predict: Predict, probe: Probe, size: int, pad: int) -> bool:
    last = max(PROBE_ROWS - size, 0)
    for start in range(0, last + 1, max(size, 16)):
        end = start + size
        try:
            got = predict(padded(part(probe.rows, start, end), size, pad))[:size]
        except Exception:  # noqa: BLE001 - as above
            return False
        if not _same(got, probe.answers[start:end]):
            return False
    return True


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return one.tolist() == other.tolist() if one.dtype == object else one.tobytes() == other.tobytes()


def _like_examples(folder: Path, inputs: Mapping[str, str]) -> Columns | None:
    """Return rows like the model's own examples: numbers scattered around them, other values drawn."""
    random = np.random.default_rng(0)
    example = example_of(folder)
    if example is not None and len(example) and set(inputs) <= set(example.columns):
        return {name: _scattered(example[name], kind, random) for name, kind in inputs.items()}
    if set(inputs.values()) <= {"float"}:
        return {name: random.normal(size=LIMITS[0]).tolist() for name in inputs}
    return None


def _scattered(values: "pd.Series[Any]", kind: str, random: np.random.Generator) -> list[Any]:
    known = [value for value in values.tolist() if value is not None and value == value] or [None]  # noqa: PLR0124 - NaN
    drawn = [known[index] for index in random.integers(0, len(known), LIMITS[0])]
    if kind == "float" and known[0] is not None:
        noise = random.normal(size=(2, LIMITS[0]))
        scattered: list[Any] = (np.array(drawn, dtype=np.float64) * (1 + noise[0] / 3) + noise[1] / 7).tolist()
        return scattered
    return typed_columns({"x": drawn}, {"x": kind})["x"]


def _with_nulls(rows: Columns, inputs: Mapping[str, str]) -> Columns:
    random = np.random.default_rng(1)
    made = dict(rows)
    for name in [name for name, kind in inputs.items() if kind in NULLABLE]:
        nulls = random.random(LIMITS[0]) < NULLS
        made[name] = [None if null else value for value, null in zip(rows[name], nulls, strict=True)]
    return made
