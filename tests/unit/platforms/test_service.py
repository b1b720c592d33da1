"""When a service of ``modelops up`` that ended is started again."""

from modelops_pipelines.platforms.service import LONGEST_PAUSE, STEADY_SECONDS, Restarts


def test_a_service_starts_again_at_once_then_with_pauses_that_double_up_to_the_longest() -> None:
    restarts, now, pauses = Restarts(), 1000.0, []
    for _ in range(8):
        ended = now
        while not restarts.is_due(now):
            now += 0.5
        pauses.append(now - ended)
    assert [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_PAUSE, LONGEST_PAUSE] == pauses


def test_a_service_that_ran_for_a_while_starts_again_at_once() -> None:
    restarts = Restarts()
    assert restarts.is_due(1000.0)
    assert not restarts.is_due(1001.0)
    assert restarts.is_due(1002.0)
    assert restarts.is_due(1002.0 + STEADY_SECONDS + 1)
