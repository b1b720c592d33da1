"""Models that encode a batch as a whole, so that a row's answer depends on the rows beside it; and two that do not."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

Answer = Callable[[pd.DataFrame], Any]
KNOWN = ("Oslo", "Rome", "Bern")


def example(rows: int) -> pd.DataFrame:
    """Return rows of every type; one row has one value of each."""
    return pd.DataFrame(
        {
            "city": [KNOWN[index % len(KNOWN)] for index in range(rows)],
            "visits": [7 + index for index in range(rows)],
            "size": [0.5 * index for index in range(rows)],
            "member": [index % 2 == 0 for index in range(rows)],
            "seen": pd.date_range("2026-01-01", periods=rows, freq="D"),
        }
    )


def requests(seed: int, sizes: tuple[int, ...] = (1, 2, 1, 3, 1, 5, 1)) -> list[pd.DataFrame]:
    """Return frames as callers send them: cities known and not, or missing, and values beyond any example's."""
    random = np.random.default_rng(seed)
    cities = np.array([*KNOWN, "Lima", "Cairo", "", None], dtype=object)
    found = []
    for size in sizes:
        days = pd.to_timedelta(random.integers(-900, 900, size), unit="D")
        frame = {
            "city": cities[random.integers(0, len(cities), size)],
            "visits": random.integers(-40, 400, size),
            "size": random.normal(size=size) * 10,
            "member": random.random(size) < 0.5,
            "seen": pd.Timestamp("2026-01-01") + days,
        }
        found.append(pd.DataFrame(frame))
    return found


def _codes(rows: pd.DataFrame) -> Any:
    return rows["city"].astype("category").cat.codes.astype("float64")


def _dummies(rows: pd.DataFrame) -> Any:
    columns = pd.get_dummies(rows["city"]).to_numpy(dtype=float)
    return columns @ np.arange(columns.shape[1]) + columns.shape[1]


def _first_seen(rows: pd.DataFrame) -> Any:
    return pd.factorize(rows["city"])[0].astype(float)


def _frequency(rows: pd.DataFrame) -> Any:
    return rows["city"].map(rows["city"].value_counts()).fillna(0).astype(float)


def _ranks(rows: pd.DataFrame) -> Any:
    return rows["visits"].rank()


def _of_the_most(rows: pd.DataFrame) -> Any:
    return rows["visits"] / (1 + rows["visits"].abs().max())


def _from_the_mean(rows: pd.DataFrame) -> Any:
    return rows["visits"] - rows["visits"].mean()


def _filled_from_above(rows: pd.DataFrame) -> Any:
    return rows["city"].ffill().fillna("").str.len().astype(float)


def _mean_of_the_city(rows: pd.DataFrame) -> Any:
    return rows.fillna({"city": "none"}).groupby("city")["size"].transform("mean")


def _share_of_members(rows: pd.DataFrame) -> Any:
    return rows["size"] * rows["member"].mean()


def _days_since_the_first(rows: pd.DataFrame) -> Any:
    return (rows["seen"] - rows["seen"].min()).dt.days.astype(float)


BY_THE_BATCH: Mapping[str, Answer] = {
    answer.__name__.strip("_"): answer
    for answer in (
        _codes,
        _dummies,
        _first_seen,
        _frequency,
        _ranks,
        _of_the_most,
        _from_the_mean,
        _filled_from_above,
        _mean_of_the_city,
        _share_of_members,
        _days_since_the_first,
    )
}


def by_the_row(rows: pd.DataFrame) -> Any:
    """Answer each row from itself alone."""
    days = (rows["seen"] - pd.Timestamp("2026-01-01")).dt.days
    return rows["city"].fillna("").str.len() + rows["visits"] * 2.0 + rows["size"] + rows["member"] + days


def of_known_cities(rows: pd.DataFrame) -> Any:
    """Answer each row from itself alone, and raise for a city that training did not have, as encoders do by default."""
    unknown = set(rows["city"]) - set(KNOWN)
    if unknown:
        raise ValueError(f"unknown: {unknown}")
    return rows["city"].map({name: float(index) for index, name in enumerate(KNOWN)}) + rows["size"]
