"""Columns as Hypothesis draws them: numbers, categories and texts."""

import math

from hypothesis import strategies as st

KINDS = ("numeric", "categorical", "text")
SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1e139, -1e200, 1.7976931348623157e308]
number = st.sampled_from(SPECIAL) | st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float)
numbers = st.lists(number, max_size=40)
words = st.lists(st.none() | st.sampled_from("abcdef") | st.text(max_size=3), max_size=40)
texts = st.lists(st.none() | st.sampled_from(["", "?!", "a b", "A, b", "The END"]) | st.text(max_size=9), max_size=20)
COLUMNS = st.one_of(*(st.tuples(st.just(k), v) for k, v in zip(KINDS, (numbers, words, texts), strict=True)))
