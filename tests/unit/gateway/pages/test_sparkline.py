"""A line's worth of traffic."""

import xml.etree.ElementTree as ET

from modelops_pipelines.gateway.pages.sparkline import HEIGHT, sparkline


def test_requests_and_failures_are_drawn_and_summed_in_the_title() -> None:
    drawn = ET.fromstring(sparkline([(10, 0), (0, 0), (20, 5)]))
    texts = [one.text for one in drawn.iter() if one.tag.endswith("title")]
    paths = [one.get("d", "") for one in drawn.iter() if one.tag.endswith("path")]
    assert ["30 requests in 3 hours, at most 20 in one; 5 failed"] == texts
    assert [2, 1] == [path.count("M") for path in paths]
    assert f"v{HEIGHT:.1f}" in paths[0]  # the highest bar takes the whole height


def test_no_request_is_no_picture() -> None:
    assert "" == sparkline([])
    assert "" == sparkline([(0, 0)] * 24)
