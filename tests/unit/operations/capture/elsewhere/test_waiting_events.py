"""CloudEvents that wait for their other half: their number and their size are bounded, and those that came are joined."""

import pytest

from modelops_pipelines.core.capture.elsewhere.values import RefusedValueError
from modelops_pipelines.operations.capture.elsewhere.formats import MOST_BYTES_WAITING, Layout

MIB = 1024 * 1024
LARGE = "x" * MIB


def event(number: int, kind: str, data: object) -> dict[str, object]:
    return {"type": f"org.kubeflow.serving.inference.{kind}", "id": str(number), "time": "2026-01-01", "data": data}


def test_large_events_without_an_answer_are_refused_before_memory_is_full_and_the_kept_ones_are_joined() -> None:
    layout, kept = Layout(), MOST_BYTES_WAITING // MIB - 1
    asked = [event(number, "request", {"instances": [[1.0]], "note": LARGE}) for number in range(kept + 1)]
    assert [] == [row for one in asked[:-1] for row in layout.kserve(one)]
    with pytest.raises(RefusedValueError, match="too many events wait"):
        list(layout.kserve(asked[-1]))
    assert kept == layout.unread()
    for number in range(kept):
        (row,) = layout.kserve(event(number, "response", {"predictions": ["ok"]}))
        assert (str(number), "ok") == (row["@id"], row["@prediction"])
    assert (0, 0) == (layout.unread(), layout.bytes_waiting)


def test_the_same_half_again_counts_once() -> None:
    layout = Layout()
    for _ in range(3):
        assert [] == list(layout.kserve(event(1, "request", {"instances": [[1.0]], "note": LARGE})))
    assert 1 == layout.unread()
    assert MIB < layout.bytes_waiting < 2 * MIB
