"""The picture of what came from what: its boxes, its lines, and what it does with much of a column or hostile text."""

import re
from xml.etree import ElementTree as ET

from modelops_pipelines.operations.reports.flow_chart import MOST, Box, flow_chart

SVG = "{http://www.w3.org/2000/svg}"


def test_each_box_has_its_words_and_each_step_a_line() -> None:
    boxes = [Box("a", 0, "first", "note"), Box("b", 1, "second", link="/ui/x?y=1&z=2"), Box("c", 1, "third")]
    drawn = ET.fromstring(flow_chart("How", ["Left", "Right"], boxes, [("a", "b"), ("a", "c")]))
    assert ["first: note", "second", "third"] == [one.text for one in drawn.iter(f"{SVG}title")]
    assert 2 == len(list(drawn.iter(f"{SVG}path")))
    assert ["/ui/x?y=1&z=2"] == [one.get("href") for one in drawn.iter(f"{SVG}a")]
    assert "How" == drawn.get("aria-label")


def test_a_long_column_says_how_many_more_there_are() -> None:
    boxes = [Box(str(n), 0, f"box {n}") for n in range(MOST + 3)]
    drawn = flow_chart("Much", ["All", "None"], boxes, [("0", str(MOST + 1)), ("0", "nothing")])
    assert [*(f"box {n}" for n in range(MOST)), "3 more"] == re.findall("<title>([^<]*)", drawn)
    assert "<path" not in drawn


def test_nothing_has_no_picture() -> None:
    assert "" == flow_chart("Nothing", ["One"], [], [])


def test_text_is_text() -> None:
    evil = '"><script>alert(1)</script>'
    drawn = flow_chart(evil, [evil], [Box(evil, 0, evil, evil, evil)], [])
    assert "<script>" not in drawn
    ET.fromstring(drawn)
