"""The serving benchmark's tables."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from benchmarks.measured import Cell, Measured, Run, best, spread

OURS = "ours"


def show(runs: Sequence[Run], missing: Mapping[str, str], *, workers: int) -> None:
    """Print one table per number, with the ratio of ours to each peer's, and one table of the servers."""
    servers = list(dict.fromkeys(run.server for run in runs))
    cells = list(dict.fromkeys(cell for run in runs for cell in run.cells))
    print(f"\n{time.strftime('%Y-%m-%d')}; {workers} worker process(es) each; bold where the peer does better\n")
    _table(
        "requests/s (ours / theirs)", runs, servers, cells, lambda measured: measured.per_second, more_is_better=True
    )
    _table("p50 ms", runs, servers, cells, lambda measured: measured.p50)
    _table("p99 ms", runs, servers, cells, lambda measured: measured.p99)
    _table("server CPU ms per request", runs, servers, cells, lambda measured: measured.cpu)
    _table("client CPU ms per request", runs, servers, cells, lambda measured: measured.client_cpu)
    _configurations(runs, servers, cells)
    _servers(runs)
    for name, why in missing.items():
        print(f"not measured: {name} {why}")


def _table(
    title: str,
    runs: Sequence[Run],
    servers: Sequence[str],
    cells: Sequence[Cell],
    value: Callable[[Measured], float],
    *,
    more_is_better: bool = False,
) -> None:
    print(f"\n{title}\n\n| model | rows | conns | {' | '.join(servers)} |\n|{'---|' * (3 + len(servers))}")
    for cell in cells:
        found = {server: best(runs, server, cell) for server in servers}
        numbers = {server: value(result[1]) for server, result in found.items() if result}
        shown = [_shown(server, numbers, more_is_better=more_is_better) for server in servers]
        print(f"| {cell.model} | {cell.rows} | {cell.connections} | {' | '.join(shown)} |")


def _shown(server: str, numbers: Mapping[str, float], *, more_is_better: bool) -> str:
    """Return a server's number, and the ratio of ours to it."""
    if server not in numbers:
        return "-"
    number = f"{numbers[server]:.4g}"
    if server == OURS or OURS not in numbers:
        return number
    ratio = numbers[OURS] / numbers[server]
    text = f"{number} ({ratio:.2g}x)"
    return f"**{text}**" if (ratio < 1) == more_is_better else text


def _configurations(runs: Sequence[Run], servers: Sequence[str], cells: Sequence[Cell]) -> None:
    print(
        "\nfastest configuration; failed requests; CPU share of other processes; largest / smallest rate over rounds\n"
    )
    print(f"| model | rows | conns | {' | '.join(servers)} |\n|{'---|' * (3 + len(servers))}")
    for cell in cells:
        shown = [_configuration(runs, server, cell) for server in servers]
        print(f"| {cell.model} | {cell.rows} | {cell.connections} | {' | '.join(shown)} |")


def _configuration(runs: Sequence[Run], server: str, cell: Cell) -> str:
    found = best(runs, server, cell)
    if found is None:
        return "-"
    variant, measured = found
    return (
        f"{variant or 'default'}; {measured.failed}; {measured.others:.0%}; {spread(runs, server, variant, cell):.2f}x"
    )


def _servers(runs: Sequence[Run]) -> None:
    print(f"\n| model | server | configuration | start-up s | memory MiB after load | processes |\n|{'---|' * 6}")
    for model, server, variant in dict.fromkeys((run.model, run.server, run.variant) for run in runs):
        same = [run for run in runs if (run.model, run.server, run.variant) == (model, server, variant)]
        start, memory = median(run.start_seconds for run in same), median(run.memory_mib for run in same)
        print(f"| {model} | {server} | {variant} | {start:.1f} | {memory:.0f} | {same[-1].processes} |")
