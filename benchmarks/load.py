"""A load generator cheap enough not to be the bottleneck: raw HTTP/1.1 over asyncio, in a process of its own.

``python -m benchmarks.load PORT PATH BODY_FILE CONNECTIONS SECONDS`` prints one line of JSON. Each connection sends
its next request when the last one was answered: a closed loop.
"""

import asyncio
import json
import sys
import time
from pathlib import Path


async def _connection(port: int, request: bytes, deadline: float, latencies: list[float]) -> int:
    """Ask until the deadline; return how many answers were no 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    failed = 0
    while (started := time.perf_counter()) < deadline:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - started)
        failed += not head.startswith(b"http/1.1 200")
    writer.close()
    return failed


async def _run(port: int, request: bytes, connections: int, seconds: float) -> dict[str, float]:
    latencies: list[float] = []
    started, cpu = time.perf_counter(), time.process_time()
    runs = [_connection(port, request, started + seconds, latencies) for _ in range(connections)]
    failed = sum(await asyncio.gather(*runs))
    took = time.perf_counter() - started
    ordered = sorted(latencies)
    return {
        "requests": len(ordered),
        "failed": failed,
        "per_second": len(ordered) / took,
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
        "client_cpu_ms": (time.process_time() - cpu) * 1000 / len(ordered),
    }


def main(port: str, path: str, body_file: str, connections: str, seconds: str) -> None:
    """Run one load and print what it saw."""
    import uvloop

    body = Path(body_file).read_bytes()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    print(json.dumps(uvloop.run(_run(int(port), head.encode() + body, int(connections), float(seconds)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
