"""modelops retrain --why, as a user runs it."""

import json

from tests.support.command_line import Loop, modelops


def test_why_trains_nothing_and_shows_whether_and_why_not(loop: Loop) -> None:
    before = loop.project.stores.retrainings.of("cancer")
    done = modelops(loop.project, "retrain", "cancer", "--why", "--json")
    assert 0 == done.code
    shown = json.loads(done.out)
    assert (False, "automatic retraining is not configured") == (shown["start"], shown["reason"])
    assert "latest_retraining" in shown
    assert before == loop.project.stores.retrainings.of("cancer")
