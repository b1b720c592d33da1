"""The results of the serving benchmark, and their medians over several runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

ROWS, CONNECTIONS = (1, 100), (1, 16)
_NUMBERS = ("per_second", "p50", "p99", "cpu", "client_cpu", "others")


class Cell(NamedTuple):
    """A model, the rows per request, and the number of connections."""

    model: str
    rows: int
    connections: int


@dataclass(frozen=True)
class Measured:
    """The result of one cell on one server: requests per second, and milliseconds of latency and of CPU per request.

    ``others`` is the share of the machine's CPU time that neither the server nor its callers took: the noise.
    """

    per_second: float
    p50: float
    p99: float
    cpu: float
    client_cpu: float
    others: float
    requests: int
    failed: int


@dataclass(frozen=True)
class Run:
    """One start of one server in one configuration."""

    server: str
    variant: str
    model: str
    cells: Mapping[Cell, Measured]
    start_seconds: float
    memory_mib: float
    processes: int

    def describe(self) -> str:
        """Return the run in one line, as progress."""
        rates = ", ".join(
            f"{cell.rows}x{cell.connections} {seen.per_second:.0f}/s" for cell, seen in self.cells.items()
        )
        size = f"{self.start_seconds:.1f} s, {self.memory_mib:.0f} MiB in {self.processes}"
        return f"{self.model} {self.server} {self.variant or '-'}: {rates} ({size})"


def best(runs: Sequence[Run], server: str, cell: Cell) -> tuple[str, Measured] | None:
    """Return a server's fastest configuration for a cell, and the median of its runs; None without runs."""
    seen: dict[str, list[Measured]] = {}
    for run in runs:
        if run.server == server and cell in run.cells:
            seen.setdefault(run.variant, []).append(run.cells[cell])
    medians = {variant: _median(measured) for variant, measured in seen.items()}
    return max(medians.items(), key=lambda item: item[1].per_second, default=None)


def spread(runs: Sequence[Run], server: str, variant: str, cell: Cell) -> float:
    """Return the largest rate divided by the smallest over the rounds: the noise."""
    same = [run for run in runs if (run.server, run.variant) == (server, variant) and cell in run.cells]
    rates = [run.cells[cell].per_second for run in same]
    return max(rates) / min(rates)


def _median(measured: Sequence[Measured]) -> Measured:
    """Return the median of each number; requests and failures are added up."""
    middle = {name: median(getattr(one, name) for one in measured) for name in _NUMBERS}
    requests, failed = sum(one.requests for one in measured), sum(one.failed for one in measured)
    return Measured(**middle, requests=requests, failed=failed)
