"""The picture of a gate's verdict."""

import xml.etree.ElementTree as ET

from modelops_pipelines.operations.reports.gate_chart import MOST, gate_chart
from modelops_pipelines.operations.reports.svg import BLUE, RED

WHOLE = {"rows": 900, "days": 9, "champion_loss": 0.3, "candidate_loss": 0.2, "improvement": 0.1, "limit": 0.0}


def part(name: str, bound: float | None) -> dict[str, object]:
    own = {"rows": 90, "days": 3, "champion_loss": 0.3, "candidate_loss": 0.2, "improvement": -0.1, "limit": -0.01}
    return {"name": name, **own, "upper_bound": bound, "verdict": "x"}


def test_what_is_beyond_its_limit_is_red() -> None:
    drawn = gate_chart({**WHOLE, "lower_bound": 0.05, "slices": [part("worse", -0.05), part("fine", 0.2)]}, "Version 2")
    circles = [one.get("fill") for one in ET.fromstring(drawn).iter() if one.tag.endswith("circle")]
    assert [BLUE, RED, BLUE] == circles
    assert "slice worse: improvement -0.10000, bound -0.05000" in drawn


def test_a_bound_of_all_rows_at_its_limit_fails() -> None:
    assert f'fill="{RED}"' in gate_chart({**WHOLE, "lower_bound": 0.0}, "Version 2")


def test_the_nearest_to_their_limits_are_drawn_and_hostile_names_are_escaped() -> None:
    many = [part(f"<b>{n}</b>", n / 10) for n in range(30)]
    drawn = gate_chart({**WHOLE, "lower_bound": 0.05, "slices": many}, "Version <2>")
    assert MOST == drawn.count("<circle")
    assert f"{MOST} of 31 comparisons" in drawn
    assert "<b>" not in drawn
    assert "Version &lt;2&gt;" in drawn


def test_there_is_no_picture_without_a_comparison() -> None:
    assert "" == gate_chart({"rows": 0, "days": 0, "improvement": None, "lower_bound": None, "limit": None}, "none")
    assert "" == gate_chart({**WHOLE, "lower_bound": None, "slices": [part("few", None)]}, "none")
