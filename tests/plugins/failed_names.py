"""The last lines of a run name what failed: a log that is cut in its middle still tells which tests these were."""

import pytest

LONGEST = 200
"""Characters of an error that stand beside its test."""


class FailedNames:
    """The tests that failed, each with how its error begins."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember a failure, of the test or of what is around it."""
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            error = " ".join(str(getattr(crash, "message", report.longrepr)).split())
            self.failed.append(f"{report.nodeid} ({report.when}): {error[:LONGEST]}")

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Name them after all else."""
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        for name in self.failed:
            assert reporter is not None
            reporter.write_line(f"FAILED {name}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    """Collect in the process that reports, not in xdist's workers."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailedNames(), "failed names")
