"""Texts of others, where they go: Markdown, CSV, a terminal, a log. They are shown as they are, and never acted on."""

import csv
import io
import json
import re

import pytest
from markdown_it import MarkdownIt

from modelops_pipelines.core.escaping import csv_text, from_csv_text, markdown, visible, visible_json
from tests.support.hostile_texts import HOSTILE

_AUTOLINK = re.compile(r"(https?|ftp):/|www\.|\w@\w", re.IGNORECASE)
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_the_text_and_nothing_else(text: str) -> None:
    written = markdown(text)
    table = f"| a |\n| --- |\n| {written} |\n"
    shown = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(table)
    assert {"table", "thead", "tbody", "tr", "th", "td"} == set(re.findall(r"<(\w+)", shown))
    assert 1 == shown.count("<td>")
    assert not _AUTOLINK.search(written)
    plain = MarkdownIt("commonmark").enable("strikethrough").parseInline(written)[0].children or []
    assert {"text", "text_special"} >= {token.type for token in plain}
    assert visible(" ".join(text.split())) == "".join(token.content for token in plain)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_of_a_csv_file_is_no_formula_and_is_read_back_as_it_was(text: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerow([csv_text(text), "x"])
    file.seek(0)
    ((cell, _),) = csv.reader(file)
    assert not cell.startswith(_STARTS)
    assert text == from_csv_text(cell)


@pytest.mark.parametrize("number", ["-1.5", "+2", "1e9", "-1e-9", "-inf", "nan", "0", "-0.0"])
def test_a_number_stays_a_number(number: str) -> None:
    assert (number, number) == (csv_text(number), from_csv_text(number))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_terminal_gets_only_what_it_prints(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(text, "\n\t").replace("\n", "").replace("\t", "").isprintable()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_of_a_log_is_one_line_and_the_same_json(text: str) -> None:
    for ascii_only in (True, False):
        line = json.dumps({"message": text}, ensure_ascii=ascii_only)
        assert visible_json(line).isprintable()
        assert {"message": text} == json.loads(visible_json(line))


def test_what_is_harmless_stays_as_it_is() -> None:
    for text in ("São Paulo", "東京", "a_b-c, 10 %; it's 2.5", "2026-01-31T12:00"):
        assert (text, text, text) == (markdown(text), csv_text(text), visible(text))
