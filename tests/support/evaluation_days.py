"""Whether today's rows are held out of training sets: then a test whose traffic is of today has nothing to train on."""

from datetime import UTC, datetime, timedelta

from modelops_pipelines.core.evaluation.gate import GateConfig, is_evaluation_day


def is_today_held_out() -> bool:
    """Return whether today, or the day that ended within the last hour, is an evaluation day."""
    now = datetime.now(UTC)
    return any(
        is_evaluation_day((now - ago).date(), GateConfig().every_nth_day) for ago in (timedelta(0), timedelta(hours=1))
    )
