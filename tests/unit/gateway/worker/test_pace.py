"""A look at all endpoints takes its share of a core, however long it takes."""

import pytest

from modelops_pipelines.gateway.worker import background_tasks
from modelops_pipelines.gateway.worker.background_tasks import LONGEST_PAUSE, SHARE, Pace


@pytest.mark.parametrize(("took", "pause"), [(0.0, 0.0), (0.003, 0.003 / SHARE), (60.0, LONGEST_PAUSE)])
def test_a_turn_is_due_again_after_its_cost_divided_by_the_share(
    took: float, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, cpu = 1000.0, iter([5.0, 5.0 + took])
    monkeypatch.setattr(background_tasks.time, "monotonic", lambda: now)
    monkeypatch.setattr(background_tasks.time, "thread_time", lambda: next(cpu))
    pace = Pace()
    assert pace.is_due()
    with pace.turn():
        pass
    assert (pause == 0.0) == pace.is_due()
    now += pause + 1e-6
    assert pace.is_due()
