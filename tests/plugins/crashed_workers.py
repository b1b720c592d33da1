"""A test whose worker ended by a signal has not failed yet: xdist runs it again, in the worker that takes the place.

A worker runs thousands of tests in one process, with libraries in C++ and Rust: what corrupts its memory is not told by
the test at which it ends. The run names each such test at its end; one that ends its worker again has failed.
"""

import pytest


class CrashedWorkers:
    """The tests at which a worker ended, and that are run once more."""

    def __init__(self) -> None:
        self.crashed: list[str] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Leave the verdict to the second run; xdist begins with this test again in the file's next worker."""
        if crashitem not in self.crashed:
            self.crashed.append(crashitem)
            report.outcome = "rerun"  # type: ignore[assignment] - as plugins call it that run tests again

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List the tests."""
        if self.crashed:
            terminalreporter.section("A WORKER CRASHED, and the test was run again", sep="=", red=True, bold=True)
            for name in self.crashed:
                terminalreporter.line(name)


def pytest_configure(config: pytest.Config) -> None:
    """Judge in the process that reports, not in xdist's workers."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(CrashedWorkers(), "crashed workers")
