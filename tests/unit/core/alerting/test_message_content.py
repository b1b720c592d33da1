"""The content of messages: bounded, on one line, and readable across releases."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.alerting.message_content import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    Link,
    MessageContent,
    clean_text,
    describe_time,
    from_json,
    is_web,
    title_of,
    to_json,
)
from modelops_pipelines.core.alerting.message_words import describe_event
from tests.fakes.messages import NIGHT, OPENED, RESOLVED


def test_content_survives_its_way_through_the_state() -> None:
    assert NIGHT == replace(from_json(to_json(NIGHT)))


def test_content_of_another_release_is_read_without_what_this_one_does_not_know() -> None:
    newer = {
        **to_json(NIGHT),
        "colour": "red",
        "alerts": [{**to_json(NIGHT)["alerts"][0], "mood": 3}, {"rule": "x"}, 7],
    }
    assert [OPENED] == list(from_json(newer).alerts)
    assert MessageContent("", "") == from_json({})


@given(st.text())
def test_a_text_is_one_bounded_line_and_hides_nothing(text: str) -> None:
    shown = clean_text(text)
    assert shown.isprintable()
    assert len(shown) <= LONGEST_TEXT


def test_marks_that_reorder_letters_are_written_out() -> None:
    assert "\\u202egnp.exe a b" == clean_text("\u202egnp.exe\n\ta\r\nb")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (7800, "2 h 10 min"),
        (86_400, "1 d"),
        (97_200, "1 d 3 h"),
    ],
)
def test_a_time_span_is_said_in_two_units_at_most(seconds: int, words: str) -> None:
    assert words == describe_time(timedelta(seconds=seconds))


def test_only_addresses_of_web_pages_become_links() -> None:
    links = tuple(
        Link("x", url) for url in ("javascript:alert(1)", "data:text/html,x", "http://a b", "https://ok.example")
    )
    assert [{"label": "x", "url": "https://ok.example"}] == to_json(replace(NIGHT, links=links))["links"]
    assert not is_web("https://x.example/" + "a" * 3000)


def test_titles_name_the_worst_severity_and_count_endpoints_in_a_storm() -> None:
    other = replace(RESOLVED, endpoint="cancer", severity="warning")
    assert "[warning] cancer: latency_p95_ms resolved" == title_of([other])
    assert "[error] 2 endpoints: cancer: latency_p95_ms resolved, ..." == title_of([other, OPENED])
    assert "[TEST] Message of modelops" == title_of([], test=True)
    assert len(title_of([replace(OPENED, rule="r" * 500)])) == LONGEST_TITLE


def test_an_event_says_who_did_it_and_what_they_wrote() -> None:
    assert "resolved after 2 h 10 min by ann: the cache is warm again" == describe_event(RESOLVED)
    assert "resolved after 2 h 10 min by itself" == describe_event(replace(RESOLVED, actor=None, note="verdict"))
    assert "acknowledged by ann: on it" == describe_event(
        replace(OPENED, event="acknowledged", actor="ann", note="on it")
    )
    assert "reopened (3 times)" == describe_event(replace(OPENED, event="reopened", reopened=3))
