"""What a model says is shown without values of rows, in whatever form and way it says them; and never at length."""

import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelops_pipelines.core.errors import InputError, PredictionError
from modelops_pipelines.core.foreign_text import (
    CUT,
    LONGEST,
    LONGEST_TRACE,
    QuotedError,
    error_text,
    error_trace,
    module_name,
    quoted,
    shown,
    words_of_stack,
)

VALUES: dict[str, Any] = {
    "text": "Atlantis",
    "two words": "Atlantis Harbour",
    "with quotes": "Atl'antis \"Har]bour",
    "with lines": "Atlantis\nHarbour",
    "beyond ASCII": "Größenwahn Atlantis",
    "an escape": "\x1b[31mAtlantis",
    "a lone surrogate": "Atlantis \ud800",
    "bytes": b"Atlantis",
    "a number": 47154715.5,
    "a long number": 4715471547154715,
    "a mail address": "atlantis@example.com",
    "a path": "/home/atlantis",
    "an identifier": "atlantis_harbour",
}
FORMS: dict[str, Callable[[Any], str]] = {
    "as it is": str,
    "repr": repr,
    "in a list": lambda value: str([value, value]),
    "in a set of a mapping": lambda value: str({"city": {str(value)}}),
    "upper case": lambda value: str(value).upper(),
    "reversed": lambda value: str(value)[::-1],
    "its beginning": lambda value: str(value)[:5],
    "a part": lambda value: str(value)[2:],
    "escaped": lambda value: str(value).encode("unicode_escape").decode(),
    "encoded": lambda value: str(value).encode(errors="replace").hex(),
    "glued to a word": lambda value: f"city={value},unknown",
    "very often": lambda value: str(value) * 100_000,
}


class RaisedError(Exception):
    """An error of a library's."""


def _raise(said: str) -> None:
    raise RaisedError(f"Found strange categories {said} in the data during transform")


def _raise_ours(said: str) -> None:
    raise PredictionError(f"Found strange categories {said} in the data during transform", "Complain")


def _raise_a_key(said: str) -> None:
    {}[said]


def _raise_in_c(said: str) -> None:
    float(said + "x")


def _raise_with_cause(said: str) -> None:
    try:
        _raise(said)
    except RaisedError as error:
        raise ValueError(f"There is a cause: {error}") from error


def _raise_with_context(said: str) -> None:
    try:
        _raise(said)
    except RaisedError:
        raise ValueError(said)  # noqa: B904 - the context is what is tested


def _raise_a_type_of_that_name(said: str) -> None:
    raise type(said.replace("\0", "") or "X", (Exception,), {})(said)


def _raise_a_note(said: str) -> None:
    error = RaisedError("Found strange categories")
    error.add_note(said)
    raise error


def _raise_a_group(said: str) -> None:
    raise ExceptionGroup(said, [ValueError(said)])


def _raise_from_code_of_that_name(said: str) -> None:
    exec(compile("raise ValueError(said)", said.replace("\0", "").encode(errors="replace").decode(), "exec"))


WAYS = [
    _raise,
    _raise_ours,
    _raise_a_key,
    _raise_in_c,
    _raise_with_cause,
    _raise_with_context,
    _raise_a_type_of_that_name,
    _raise_a_note,
    _raise_a_group,
    _raise_from_code_of_that_name,
]


def _forms() -> Iterator[Any]:
    for form, write in FORMS.items():
        for kind, value in VALUES.items():
            yield pytest.param(write(value), id=f"{kind} {form}")


def _left(text: str) -> list[str]:
    """Return what is left of the values in a text, in any case and direction, in parts of five letters or more."""
    lines = [line for line in text.splitlines() if not line.startswith(("  File", "    "))]
    words = "".join(lines).casefold()
    needles = (
        "atlan",
        "lanti",
        "tlant",
        "sitna",
        "harbo",
        "rbour",
        "grö",
        "47154",
        "51745",
        "41746c",
        "\x1b",
        "\ud800",
    )
    return [needle for needle in needles if needle in words]


@pytest.mark.parametrize("said", list(_forms()))
def test_no_exception_shows_a_value(said: str) -> None:
    for way in WAYS:
        error = _caught(way, said)
        assert [] == _left(error_text(error)), way
        assert [] == _left(error_trace(error)), way
        assert [] == _left(str(quoted(error))), way
        assert len(error_text(error)) <= LONGEST + 110
        assert len(error_trace(error)) <= LONGEST_TRACE


@pytest.mark.parametrize("said", list(_forms()))
def test_no_message_shows_a_value(said: str) -> None:
    told = shown(f"Found strange categories {said} in the data", words_of_stack())
    assert [] == _left(told)
    assert len(told) <= LONGEST


def test_what_the_code_says_itself_is_shown() -> None:
    error = _caught(_raise, "['Atlantis']")
    assert "RaisedError: Found strange categories … in the data during transform" == error_text(error)
    assert "KeyError" == error_text(_caught(_raise_a_key, "Atlantis"))
    assert "ValueError: could not convert string to float: …" == error_text(_caught(_raise_in_c, "Atlantis"))
    assert "test_foreign_text.py" in error_trace(error)
    assert "in _raise\n" in error_trace(error)


def test_causes_come_first_and_a_quoted_one_is_shown_as_it_is() -> None:
    trace = error_trace(_caught(_raise_with_cause, "Atlantis"))
    assert (
        trace.index("RaisedError: Found strange")
        < trace.index("led to this one")
        < trace.index("ValueError: There is a cause:")
    )
    assert "model's own words 12" == error_text(QuotedError("model's own words 12"))


def test_an_error_of_ours_is_shown_whole() -> None:
    error = _caught(lambda _: _our_error(), "")
    assert "The body has 0 rows. Send 1 to 65535 rows per request" == error_text(error)
    assert isinstance(error, InputError)


def test_a_category_that_the_code_knows_is_cut_where_the_rows_hold_it() -> None:
    text = "Found strange harbours in the data"
    own = {"found", "strange", "harbours", "the", "data"}
    assert text == shown(text, own)
    assert "Found strange … in the data" == shown(text, own, [["Harbours of Rome"], [1.0]])
    assert "Found strange … in the data" == shown(text, own, [{"nested": [{"of": b"harbours"}]}])


def test_a_word_that_stands_alone_in_the_code_may_be_a_category() -> None:
    def speak(sex: str) -> str:
        if sex in ("female", "male"):
            return shown(f"strange sex: {sex}", words_of_stack())
        return ""

    assert f"strange … {CUT}".replace("… …", "…") == speak("female").replace("sex: …", "…")


def test_warnings_show_no_value() -> None:
    told: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_: told.append(shown(str(message), words_of_stack()))
        warnings.warn(f"Found strange categories {[VALUES['text']]} in the data", stacklevel=1)
    assert ["Found strange categories … in the data"] == told


def test_an_exception_that_cannot_be_shown_is_told_by_its_type() -> None:
    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("Atlantis")

    assert "Exception" == error_text(BrokenError())


def test_a_deep_stack_is_shown_by_its_ends() -> None:
    def dig(depth: int) -> None:
        if depth == 0:
            _raise("Atlantis")
        dig(depth - 1)

    trace = error_trace(_caught(lambda _: dig(200), ""))
    assert "more" in trace
    assert trace.endswith("RaisedError: Found strange categories … in the data during transform")


def test_the_name_of_a_logger_is_a_module_or_cut() -> None:
    assert ["sys", "os.path", CUT, "root"] == [module_name(name) for name in ("sys", "os.path", "Atlantis", "root")]
    assert "sys" == module_name("sys.Atlantis")


def _our_error() -> None:
    from modelops_pipelines.core.models.typed_columns import check_rows

    check_rows(0)


def _caught(way: Callable[[str], None], said: str) -> BaseException:
    try:
        way(said)
    except Exception:  # noqa: BLE001 - whatever it is, it is shown
        error = sys.exc_info()[1]
        assert error is not None
        return error
    raise AssertionError("it raises")
