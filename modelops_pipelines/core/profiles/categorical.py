"""Counting strings: categories, the words of texts, and which of the two a column contains."""

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from modelops_pipelines.core.errors import SchemaError

Strings: TypeAlias = npt.NDArray[Any] | Sequence[Any] | Mapping[Any, int]

NAME_LENGTH = 200
"""Characters of a category's name that are kept, to limit the size of profiles."""
TEXT_BUCKETS = 4096
"""Buckets that words are hashed into."""
WORDS_OF_TEXT = 3.0
"""Mean words per value from which a column of mostly distinct strings is text."""
_BATCH = 2_000
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, eq=False)
class Coded:
    """Strings, of shape (n,), as indices into ``names``; -1 is null."""

    codes: npt.NDArray[np.intp]
    names: tuple[str, ...]

    def counted(self, start: int, end: int) -> dict[str | None, int]:
        """Count each string, and the nulls, in the rows from ``start`` up to, not including, ``end``."""
        found = np.bincount(self.codes[start:end] + 1, minlength=len(self.names) + 1)
        places = found.nonzero()[0].tolist()
        return {self.names[place - 1] if place else None: int(found[place]) for place in places}


def tally(values: Strings, name: str, length: int | None = NAME_LENGTH) -> tuple[Counter[str], int]:
    """Count each string, cut to ``length`` characters, and the nulls (None or NaN).

    Values are of shape (n,), or a mapping of value to count. Raises SchemaError with the column's ``name`` for
    a value that is neither a scalar nor null.
    """
    counted: Counter[str] = Counter()
    nulls = 0
    for value, count in _distinct(values).items():
        if value is None or (isinstance(value, float) and math.isnan(value)):
            nulls += count
        elif isinstance(value, str | int | float | np.generic):
            counted[str(value)[:length]] += count
        else:  # such as pandas.NA, whose text would become a category
            message = f"Column {name!r} contains {value!r}, which is neither text nor null"
            raise SchemaError(message, "Convert its values to str or None")
    return counted, nulls


def word_buckets(texts: Mapping[str, int]) -> npt.NDArray[np.int64]:
    """Return the words of texts, weighted by the texts' counts, per bucket, of shape (TEXT_BUCKETS,).

    A word is a run of letters, digits and underscores in lower case; its bucket is CRC-32 (of UTF-8) modulo
    ``TEXT_BUCKETS``, the same in every process. A text without a word counts as one empty word, so that
    a rise of empty texts shows as drift.
    """
    by_times: dict[int, list[str]] = {}
    for text, times in texts.items():
        by_times.setdefault(times, []).append(text)
    buckets = np.zeros(TEXT_BUCKETS, np.int64)
    for times, same in by_times.items():
        words = _words(same)
        at = np.fromiter((zlib.crc32(word.encode()) for word in words), np.int64, len(words)) % TEXT_BUCKETS
        np.add.at(buckets, at, times * np.fromiter(words.values(), np.int64, len(words)))
    return buckets


def string_kind(values: Strings) -> Literal["categorical", "text"]:
    """Return whether a column of strings is free text or categorical, by its reference values of shape (n,).

    It is text when more than half of its non-null values are distinct, and these have three words each on average,
    split at white space. Identifiers are distinct too, but have one word.
    """
    counted, _ = tally(values, "", length=None)
    words = sum(len(text.split()) for text in counted)
    hardly_repeats = 2 * len(counted) > counted.total()
    return "text" if hardly_repeats and words >= WORDS_OF_TEXT * len(counted) else "categorical"


def _distinct(values: Strings) -> Mapping[Any, int]:
    if isinstance(values, Mapping):
        return values
    return Counter(values.tolist() if isinstance(values, np.ndarray) else values)


def _words(texts: Iterable[str]) -> Counter[str]:
    """Count words, with one empty word for a text without any; texts are joined in batches, for speed."""
    found: Counter[str] = Counter()
    rest = iter(texts)
    while batch := list(islice(rest, _BATCH)):
        found.update(_WORD.findall("\n".join(batch).lower()))
        if empty := sum(not _WORD.search(text) for text in batch):
            found[""] += empty
    return found
