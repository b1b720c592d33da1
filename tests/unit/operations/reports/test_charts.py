"""Pictures say what the profiles and points say, can be read, and are sound SVG whatever they are made of."""

import base64
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.profiles.profile import Profile, fit_bins, profile
from modelops_pipelines.operations.reports.charts import CATEGORIES, as_markdown, distribution, over_time

SVG = "{http://www.w3.org/2000/svg}"
START = datetime(2026, 3, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
RANDOM = np.random.default_rng(3)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
TEXTS = st.one_of(st.none(), st.text(max_size=40))


def pair(reference: Any, current: Any, kind: Any = "numeric") -> tuple[Profile, Profile]:
    """Return the profiles of both sides on the reference's bins, as ``distribution`` takes them."""
    bins = fit_bins("x", reference, kind)
    return profile(current, bins), profile(reference, bins)


def notes(picture: str) -> dict[str, tuple[float, float]]:
    """Return what the notes of a distribution say: name to percentages now and of the reference."""
    said = [note.text or "" for note in fromstring(picture).iter(f"{SVG}title")][1:]
    matches = [re.fullmatch(r"(.*): (\S+) %, reference (\S+) %", one, re.DOTALL) for one in said]
    return {match[1]: (float(match[2]), float(match[3])) for match in matches if match}


def texts(picture: str) -> list[Element]:
    return list(fromstring(picture).iter(f"{SVG}text"))


def shown(picture: str) -> list[str]:
    return [text.text or "" for text in texts(picture)]


def span(text: Element) -> tuple[float, float]:
    """Return where a text begins and ends, as its letters' usual width has it."""
    bold = text.get("font-weight") is not None
    width = min(len(text.text or "") * (7.2 if bold else 6.2), float(text.get("textLength", "inf")))
    x = float(text.get("x", "nan"))
    return {"start": (x, x + width), "middle": (x - width / 2, x + width / 2), "end": (x - width, x)}[
        text.get("text-anchor", "start")
    ]


def assert_sound(picture: str) -> None:
    """Assert that it is XML without a broken number, and that no two texts of a line touch."""
    drawn = [value for one in fromstring(picture).iter() for name, value in one.attrib.items() if name != "class"]
    assert not [value for value in drawn if "nan" in value or "inf" in value]
    lines: dict[str, list[tuple[float, float]]] = {}
    for text in texts(picture):
        lines.setdefault(str(text.get("y")), []).append(span(text))
    for line in lines.values():
        ordered = sorted(line)
        assert all(end <= start + 1 for (_, end), (start, _) in pairwise(ordered)), ordered


def test_a_column_with_few_values_gets_a_bar_a_value() -> None:
    picture = distribution(*pair([1.0, 1.0, 2.0, 3.0], [1.0, 2.0, 2.0, 2.0, 7.0, 7.0, 7.0, 7.0]), "month")
    expected = {"1": (12.5, 50), "2": (37.5, 25), "3": (0, 25), "other values": (50, 0)}
    assert expected == notes(picture)


@pytest.mark.parametrize("draw", [RANDOM.normal, RANDOM.exponential, RANDOM.uniform], ids=["normal", "skewed", "even"])
def test_bars_hold_the_shares_that_a_plain_count_finds(draw: Any) -> None:
    reference, current = draw(size=40_000), draw(size=20_000) * 1.2
    found = list(notes(distribution(*pair(reference, current), "x")).items())
    low, high = (float(found[n][0].split()[-1]) for n in (0, -1))
    edges = [-math.inf, *np.linspace(low, high, len(found) - 1), math.inf]
    for side, values in enumerate((current, reference)):
        counted = np.histogram(values, edges)[0] / len(values) * 100
        told = np.array([shares[side] for _, shares in found])
        inside = (
            slice(0, -3) if side == 0 else slice(0, None)
        )  # beyond the reference's last bins only their sum is known
        assert np.abs(counted - told)[inside].max() < 0.9, (counted, told)
        assert abs(told.sum() - 100) < 0.5


def test_a_tail_far_above_the_rest_is_cut_off_and_told() -> None:
    celsius = RANDOM.normal(15, 8, 20_000)
    picture = distribution(*pair(celsius, celsius[:2000] * 1.8 + 232), "temperature")
    assert "100 %" in shown(picture)
    heights = [float(y) for path in paths(picture) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)]
    assert 46 == min(heights)  # the upper edge of the space for data


def test_categories_are_named_the_greatest_first_and_the_others_are_one() -> None:
    reference = [f"c{n:02}" for n in range(20) for _ in range(40 - n)]
    picture = distribution(*pair(reference, ["new one"] * 50 + ["c00"] * 50, "categorical"), "carrier")
    found = notes(picture)
    assert ["c00", "new one (new)", "c01"] == list(found)[:3]
    assert (50, 0) == found["new one (new)"]
    assert CATEGORIES + 1 == len(found)
    assert "(other)" == list(found)[-1]
    assert abs(sum(then for _, then in found.values()) - 100) < 0.1
    assert "50.0 %" in shown(picture)


def test_a_long_name_is_shortened_and_told_in_full_under_the_pointer() -> None:
    name = "a very long name that does not fit beside its bar <b>&"
    picture = distribution(*pair([name, "b"], [name], "categorical"), "x")
    assert name in notes(picture)
    assert [one for one in shown(picture) if one.startswith("a very") and one.endswith("\u2026")]


def test_missing_values_are_told_where_there_are_any() -> None:
    current, reference = pair([1.0, 2.0, None, 4.0], [1.0, None])
    assert "missing 25 % \u2192 50 %" in shown(distribution(current, reference, "x"))
    assert not [one for one in shown(distribution(*pair([1.0], [1.0]), "x")) if "missing" in one]


@pytest.mark.parametrize(
    ("reference", "current", "empty"), [([1.0], [], "the window"), ([math.nan], [1.0], "the reference")]
)
def test_a_side_without_values_is_told(reference: Any, current: Any, empty: str) -> None:
    picture = distribution(*pair(reference, current), "x")
    assert f"no values in {empty}" in shown(picture)


def test_text_has_no_picture() -> None:
    made = distribution(*pair(["a b"], ["c d"], "text"), "x")
    assert ("", "") == (made, as_markdown(made))


@given(st.lists(FLOATS, max_size=60), st.lists(FLOATS, max_size=60), st.text(max_size=60))
@settings(max_examples=150, deadline=None, database=None)
def test_any_numbers_make_a_sound_picture(reference: list[float], current: list[float], title: str) -> None:
    assert_sound(distribution(*pair(reference, current), title))


@given(st.floats(-1e9, 1e9), st.floats(1e-9, 1e9), st.integers(1, 60))
@settings(max_examples=100, deadline=None, database=None)
def test_labels_never_touch_at_any_scale(centre: float, spread: float, distinct: int) -> None:
    few = centre + spread * np.arange(distinct)
    many = centre + spread * np.linspace(0, 1, 500) ** 2
    for values in (few, many):
        assert_sound(distribution(*pair(values, values[: len(values) // 2 + 1]), "x"))


@given(st.lists(TEXTS, max_size=40), st.lists(TEXTS, max_size=40), st.text(max_size=60))
@settings(max_examples=100, deadline=None, database=None)
def test_any_categories_make_a_sound_picture(reference: Any, current: Any, title: str) -> None:
    fromstring(distribution(*pair(reference, current, "categorical"), title))


def line(values: Sequence[float | None], step: timedelta = HOUR) -> list[tuple[datetime, float | None]]:
    return [(START + n * step, value) for n, value in enumerate(values)]


def paths(picture: str, colour: str = "#3b82f6") -> list[str]:
    found = [one for one in fromstring(picture).iter(f"{SVG}path") if one.get("stroke") == colour]
    return [str(one.get("d")) for one in found]


def test_a_line_has_gaps_where_there_is_no_value_and_its_last_value_is_marked_and_told() -> None:
    picture = over_time(line([1.0, 2.0, None, 3.0, 4.5, None, None, 2.25, None]), None, "requests")
    assert 2 == len(paths(picture))
    dots = [(float(dot.get("r", "nan"))) for dot in fromstring(picture).iter(f"{SVG}circle")]
    assert [1.6, 3.5] == dots  # the value that stands alone; the last
    assert "2.25" in shown(picture)
    assert "requests, latest 2.25" == fromstring(picture)[0].text


def test_values_are_drawn_where_they_lie_on_the_axis() -> None:
    picture = over_time(line([0.0, 50.0, 100.0]), None, "x")
    points = [tuple(map(float, point.split())) for point in re.split("[ML]", paths(picture)[0]) if point]
    marks = {text.text: float(text.get("y", "nan")) - 4 for text in texts(picture) if text.get("x") == "41.0"}
    assert [marks["0"], marks["100"]] == [points[0][1], points[2][1]]
    assert points[1] == ((points[0][0] + points[2][0]) / 2, (points[0][1] + points[2][1]) / 2)


def test_marks_that_lie_near_one_another_have_as_many_digits_as_tell_them_apart() -> None:
    picture = over_time(line([1_000_000.2, 1_000_000.6]), None, "x")
    marks = [text.text for text in texts(picture) if text.get("x") == "41.0"]
    assert len(marks) == len(set(marks)) > 2


def test_a_band_is_drawn_where_it_is_known_and_reaches_the_edge_where_one_side_is_open() -> None:
    band = [(1.0, 3.0), (1.0, 3.0), (None, None), (None, 3.0), (None, 3.0)]
    picture = over_time(line([2.0] * 5), band, "x")
    areas = [one.get("d", "") for one in fromstring(picture).iter(f"{SVG}path") if one.get("fill-opacity") == "0.3"]
    assert 2 == len(areas)
    assert [False, True] == ["186.0" in area for area in areas]


def test_a_threshold_in_view_is_a_dashed_line_and_one_far_away_is_told() -> None:
    near, far = (over_time(line([4.0, 5.0]), None, "x", [limit]) for limit in (6.0, 10_000.0))
    assert [True, False] == [bool(paths(one, "#e5484d")) for one in (near, far)]
    assert "limit 10k, outside the chart" in shown(far)


def test_more_lines_are_named_and_share_the_notes() -> None:
    more = {"estimated": line([0.8, None])}
    picture = over_time(line([0.9, 0.95]), None, "auc", name="real", also=more, form="share")
    assert {"real", "estimated"} <= set(shown(picture))
    said = [note.text for note in fromstring(picture).iter(f"{SVG}title")]
    assert ["2026-03-01 05:00: real 90 %, estimated 80 %", "2026-03-01 06:00: real 95 %"] == said[1:]


def test_no_point_at_all_is_told() -> None:
    assert "no values yet" in shown(over_time(line([None, None]), None, "x"))
    assert "no values yet" in shown(over_time([], [], "x"))


@given(
    st.lists(st.one_of(st.none(), FLOATS, st.floats(0, 1)), max_size=40),
    st.timedeltas(timedelta(seconds=1), timedelta(days=400)),
    st.lists(st.floats(-1e9, 1e9), max_size=2),
    st.sampled_from(["number", "share", "ms"]),
)
@settings(max_examples=200, deadline=None, database=None)
def test_any_line_makes_a_sound_picture(values: Any, step: timedelta, limits: list[float], form: Any) -> None:
    assert_sound(over_time(line(values, step), [(None, 1.0)] * len(values), "x", limits, form=form))


def test_markdown_holds_the_picture_and_its_title_with_nothing_that_means_something() -> None:
    picture = over_time(line([1.0]), None, "a [b](c) `d` *e*\n<f> & g")
    found = re.fullmatch(r"!\[(.*)\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", as_markdown(picture))
    assert found is not None
    assert picture == base64.b64decode(found[2]).decode()
    assert r"a \[b\]\(c\) \`d\` \*e\* \<f\> \& g, latest 1" == found[1]
