"""Reads a user's file of training rows: Parquet, or CSV, whose texts of times are read as times."""

import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.store.lake.utc_times import times_of_texts

if TYPE_CHECKING:
    import pandas as pd

FORMATS = (".csv", ".parquet")
_MOMENT = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*"


def read_frame(path: Path) -> "pd.DataFrame":
    """Return a file's rows. Raises InputError for another format, and for a file that cannot be read.

    CSV has no types. A column of which every value is an ISO 8601 time (a date alone is text) becomes times in UTC.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"{path} is neither CSV nor Parquet", "Give a .csv or a .parquet file")
    import pandas as pd

    try:
        twice = [name for name, times in Counter(_names(path)).items() if times > 1]
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (ValueError, OSError) as error:  # what pandas and Arrow raise for a bad file
        raise InputError(f"{path} cannot be read as {path.suffix[1:]} ({error})", "Correct the file") from error
    if twice:  # pandas gives the second one another name
        raise InputError(f"{path} has the column(s) {', '.join(twice)} more than once", "Keep one of each")
    return frame if path.suffix == ".parquet" else _with_times(frame)


def _names(path: Path) -> list[str]:
    """Return the columns' names as they stand in the file."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return list(pq.read_schema(path).names)
    with path.open(encoding="utf-8", errors="replace", newline="") as opened:
        return next(csv.reader(opened), [])


def _with_times(frame: "pd.DataFrame") -> "pd.DataFrame":
    texts = [name for name in frame.columns if frame[name].dtype == object and _are_moments(frame[name])]
    return frame.assign(**{name: times_of_texts(str(name), frame[name]) for name in texts})


def _are_moments(column: Any) -> bool:
    known = column.dropna()
    return bool(len(known)) and all(isinstance(one, str) for one in known) and bool(known.str.fullmatch(_MOMENT).all())
