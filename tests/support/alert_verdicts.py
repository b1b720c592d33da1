"""Verdicts on made-up windows, the alerts that they become, and stores whose clock stands still."""

from collections.abc import Sequence
from datetime import UTC, datetime

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.store.stores import Stores

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class StoppedClock(Stores):
    """Real stores whose clock stands still until it is moved."""

    moment = NOW

    def now(self) -> datetime:
        """Return the moment that the test set."""
        return self.moment


def verdict(passed: bool | None, window: str = "w", rule: str = "drift") -> Verdict:  # noqa: FBT001 - the one thing that tests vary
    return Verdict(rule, rule, "warning", passed, 0.5, 0.3, 100, window, f"{rule} in {window}")


def windows(passes: Sequence[bool | None], rule: str = "drift") -> list[Verdict]:
    """Return the rule's verdicts on windows in a row."""
    return [verdict(passed, f"w{number}", rule) for number, passed in enumerate(passes, 1)]


def changes_of(stores: Stores, passes: Sequence[bool | None], source: str, rule: str = "drift") -> list[str]:
    """Apply the verdicts; return what each change was."""
    return [change.change for change in raise_alerts(stores, "cancer", windows(passes, rule), source=source)]


def kept(stores: Stores) -> list[tuple[str, str, int, int]]:
    """Return rule, status, count and passes of each alert, oldest first."""
    return [(alert.rule, alert.status, alert.count, alert.passes) for alert in stores.alerts.find("cancer")[::-1]]
