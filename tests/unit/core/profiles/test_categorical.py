"""Categories, words of texts, and telling the two apart."""

import uuid
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.profiles.categorical import NAME_LENGTH, TEXT_BUCKETS, string_kind, tally, word_buckets

pytestmark = pytest.mark.filterwarnings("error")

SENTENCES = [f"Order {number} has not arrived yet" for number in range(50)]


def bucket(word):
    return zlib.crc32(word.encode()) % TEXT_BUCKETS


def test_words_are_counted_in_lower_case_by_a_hash_that_every_process_shares():
    found = word_buckets({"The cat, the CAT": 1, "naïve_1 cat": 2})
    expected = np.zeros(TEXT_BUCKETS, np.int64)
    for word, count in {"the": 2, "cat": 4, "naïve_1": 2}.items():
        expected[bucket(word)] += count
    assert found.tolist() == expected.tolist()
    assert bucket("cat") == 936


def test_a_text_without_a_word_counts_as_one_empty_word():
    found = word_buckets({"": 3, "?!": 2})
    assert (found[bucket("")], found.sum()) == (5, 5)


@given(st.lists(st.text(max_size=30), max_size=20))
def test_texts_are_counted_one_by_one_or_all_at_once_alike(texts):
    counted, _ = tally(texts, "x", length=None)
    alone = [word_buckets({text: 1}) for text in texts]
    assert word_buckets(counted).tolist() == sum(alone, np.zeros(TEXT_BUCKETS, np.int64)).tolist()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (SENTENCES, "text"),
        ([*SENTENCES, None, *["Where is my order then?"] * 49], "text"),
        ([*SENTENCES, *["Where is my order then?"] * 52], "categorical"),
        ([str(uuid.UUID(int=number)) for number in range(50)], "categorical"),
        ([f"2026-11-{day:02} 10:00:00" for day in range(1, 29)], "categorical"),
        (["red", "green", "blue"] * 20, "categorical"),
        ([None, None], "categorical"),
        ([], "categorical"),
        (dict.fromkeys(SENTENCES, 1), "text"),
        (dict.fromkeys(SENTENCES, 2), "categorical"),
    ],
)
def test_strings_that_hardly_repeat_and_have_some_words_are_text(values, kind):
    assert string_kind(values) == kind


def test_names_of_categories_are_cut_and_texts_are_not():
    long = "word " * 100
    assert tally([long], "x")[0] == {long[:NAME_LENGTH]: 1}
    assert tally([long], "x", length=None)[0] == {long: 1}


def test_a_mapping_may_count_nulls_under_none_or_nan():
    assert tally({"a": 2, None: 3, float("nan"): 1}, "x") == ({"a": 2}, 4)


def test_an_object_is_refused_with_its_columns_name():
    with pytest.raises(SchemaError, match="'x' contains"):
        tally([object()], "x")
