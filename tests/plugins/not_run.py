"""What was skipped is said at the end of a run; in CI a missing program fails it."""

import os

import pytest

from tests.support.programs import MISSING


class NotRun:
    """Collects the tests that were skipped, with their reasons."""

    def __init__(self) -> None:
        self.skips: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember a skip."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skips.append((report.nodeid, _reason(report)))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run in CI when a program was missing."""
        if self._fails() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List what was not run."""
        if not self.skips:
            return
        terminalreporter.section("NOT RUN on this machine", sep="=", red=True, bold=True)
        for name, reason in self.skips:
            terminalreporter.line(f"{name}: {reason}")
        if self._fails():
            terminalreporter.line("CI=true: a missing program fails the run.", red=True, bold=True)

    def _fails(self) -> bool:
        return os.environ.get("CI") == "true" and any(reason.startswith(MISSING) for _, reason in self.skips)


def pytest_configure(config: pytest.Config) -> None:
    """Collect in the process that reports, not in xdist's workers."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(NotRun(), "not run")


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
