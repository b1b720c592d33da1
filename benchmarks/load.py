"""A load generator that is not the bottleneck: raw HTTP/1.1 over uvloop, in a separate process.

``python -m benchmarks.load PORT REQUEST_FILE CONNECTIONS SECONDS`` prints one line of JSON; the file holds the request
as it goes over the wire. Each connection sends it again when it was answered: a closed loop.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast


@dataclass
class _Results:
    """The results of all connections."""

    request: bytes
    deadline: float
    latencies: list[float] = field(default_factory=list)
    failed: int = 0


class _Connection(asyncio.Protocol):
    """One connection: sends requests until the deadline. A connection that the server closes is a failure."""

    def __init__(self, results: _Results) -> None:
        self._results, self._buffer, self._whole, self._started = results, b"", 0, 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._whole and (end := self._buffer.find(b"\r\n\r\n")) > 0:
            length = self._buffer[:end].lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
            self._whole = end + 4 + int(length)
        if self._whole and len(self._buffer) >= self._whole:
            self._results.latencies.append(time.perf_counter() - self._started)
            self._results.failed += not self._buffer.startswith(b"HTTP/1.1 200")
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._results.failed += exc is not None or time.perf_counter() < self._results.deadline
        self.ended.set_result(None)

    def _ask(self) -> None:
        self._buffer, self._whole, self._started = b"", 0, time.perf_counter()
        if self._started >= self._results.deadline:
            self._transport.close()
        else:
            self._transport.write(self._results.request)


async def _run(port: int, request: bytes, connections: int, seconds: float) -> dict[str, float]:
    loop, cpu, started = asyncio.get_running_loop(), time.process_time(), time.perf_counter()
    results = _Results(request, started + seconds)
    opened = [await loop.create_connection(lambda: _Connection(results), "127.0.0.1", port) for _ in range(connections)]
    await asyncio.gather(*(connection.ended for _, connection in opened))
    took, ordered = time.perf_counter() - started, sorted(results.latencies)
    return {
        "requests": len(ordered),
        "failed": results.failed,
        "per_second": len(ordered) / took,
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
        "client_cpu_ms": (time.process_time() - cpu) * 1000 / len(ordered),
        "client_cpu": time.process_time(),
    }


def main(port: str, request_file: str, connections: str, seconds: str) -> None:
    """Run one load and print its results."""
    import uvloop

    request = Path(request_file).read_bytes()
    print(json.dumps(uvloop.run(_run(int(port), request, int(connections), float(seconds)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
