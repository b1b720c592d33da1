"""Where the gateway's time goes, stage by stage.

Two views of the same path. Over HTTP, with the callers in another process, a timer samples the server's stack every
millisecond: unbiased shares, coarse. In process, cProfile counts every call: exact names, but functions with many small
calls look slower than they are.
"""

import asyncio
import cProfile
import json
import pstats
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.peers.ours import Ours
from benchmarks.peers.protocol import Ask, Job
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores
from tests.support.paths import ROOT
from tests.support.ports import free_port

CELLS = ((1, 16), (100, 16), (1, 1), (100, 1))
CALLERS, SECONDS, TOP = 16, 4.0, 25
SAMPLE_SECONDS = 0.001
STAGES = {
    ("gateway/bodies/headers.py", "read_call"): "parse headers",
    ("gateway/access/keyring.py", None): "key",
    ("gateway/access/limiter.py", None): "limits",
    ("gateway/access/sliding_windows.py", None): "limits",
    ("gateway/hot_path/asgi.py", "_read"): "read body",
    ("gateway/bodies/mlflow_json.py", None): "parse body",
    ("core/models/typed_columns.py", None): "types",
    ("operations/model_runtime/prediction_paths.py", None): "predict",
    ("core/models/predictions.py", None): "interpret",
    ("core/ids.py", None): "id",
    ("operations/model_runtime/answers.py", None): "render",
    ("gateway/hot_path/asgi.py", "_send"): "send",
    ("gateway/hot_path/prediction_record.py", None): "record",
    ("store/spool/segments.py", "encode"): "encode",
    ("gateway/hot_path/durable_capture.py", "_write_all"): "write and sync",
    ("gateway/worker/live_metrics.py", None): "live metrics",
    ("gateway/model_runtime/batching.py", None): "batching",
    ("operations/model_runtime/loaded_model.py", None): "batching",
    ("gateway/hot_path/predict.py", None): "the rest of predict.py",
    ("uvicorn/", None): "HTTP",
}
"""The stage of a function, by the end of its file's path and its name; the innermost frame decides."""
REST = "event loop and idle"


def profile(job: Job) -> None:
    """Print both views: microseconds per request of each cell over HTTP, and the shares in process."""
    import uvloop

    over_http = {
        cell: uvloop.run(_over_http(_stores(job), Ours().ask(job, job.rows[: cell[0]]), cell[1])) for cell in CELLS
    }
    ask, profiler = Ours().ask(job, job.rows[:1]), cProfile.Profile()
    plain = uvloop.run(_in_process(_stores(job), ask, _nothing))
    profiled = uvloop.run(_in_process(_stores(job), ask, lambda: _profiling(profiler)))
    stats: Any = pstats.Stats(profiler)
    _print(job, over_http, _shares(stats.stats))
    print(f"\nin process {plain:.0f} requests/s, under cProfile {profiled:.0f}; by own time, of {SECONDS:.0f} s:")
    stats.sort_stats("tottime").print_stats(TOP)


def _stores(job: Job) -> Stores:
    """Return the job's stores with the server's settings and another port, since a worker is identified by its port."""
    return Stores(load_settings(job.project.folder, Ours().launch(job, free_port()).environment))


def _print(job: Job, over_http: Mapping[tuple[int, int], "_Samples"], shares: Mapping[str, float]) -> None:
    titles = [f"{rows} x {connections}" for rows, connections in over_http]
    print(f"\n{job.name}: us per request over HTTP, rows x connections; share under cProfile in process\n")
    print(f"| stage | {' | '.join(titles)} | cProfile |\n|{'---|' * (2 + len(titles))}")
    for stage in dict.fromkeys([*STAGES.values(), REST]):
        spent = [f"{samples.microseconds(stage):.0f}" for samples in over_http.values()]
        print(f"| {stage} | {' | '.join(spent)} | {shares.get(stage, 0.0):.1%} |")
    rates = [f"{samples.per_second:.0f}" for samples in over_http.values()]
    print(f"| requests/s | {' | '.join(rates)} | |")


@dataclass
class _Samples:
    """Samples of the main thread's stage, by a timer."""

    samples: Counter[str] = field(default_factory=Counter)
    per_second: float = 0.0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take samples until the block ends."""
        before = signal.signal(signal.SIGALRM, self._take)
        signal.setitimer(signal.ITIMER_REAL, SAMPLE_SECONDS, SAMPLE_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def microseconds(self, stage: str) -> float:
        """Return the stage's microseconds per request."""
        return self.samples[stage] / self.samples.total() * 1e6 / self.per_second

    def _take(self, _number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if stage := _stage(frame.f_code.co_filename, frame.f_code.co_name):
                self.samples[stage] += 1
                return
            frame = frame.f_back
        self.samples[REST] += 1


async def _over_http(stores: Stores, ask: Ask, connections: int) -> _Samples:
    """Serve in this process, load it from another, and take samples."""
    import uvicorn

    from modelops_pipelines.gateway.app import Gateway

    port, request = stores.settings.gateway_port, stores.settings.home / "profiled.http"
    request.write_bytes(ask.wire)
    server = uvicorn.Server(uvicorn.Config(Gateway(stores), port=port, log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.05)
    await _load(port, request, connections, 1.0)
    samples = _Samples()
    with samples.taken():
        samples.per_second = (await _load(port, request, connections, SECONDS))["per_second"]
    server.should_exit = True
    await serving
    return samples


async def _load(port: int, request: Path, connections: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(request), str(connections), str(seconds)]
    ran = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    out, _ = await ran.communicate()
    samples: dict[str, float] = json.loads(out)
    return samples


async def _in_process(stores: Stores, ask: Ask, watched: Callable[[], Any]) -> float:
    """Call the application without a network; return the requests per second."""
    from modelops_pipelines.gateway.app import Gateway

    gateway = Gateway(stores)
    async with _living(gateway):
        await _call(gateway, ask, 1.0)
        with watched():
            return await _call(gateway, ask, SECONDS) / SECONDS


async def _call(gateway: Callable[..., Awaitable[None]], ask: Ask, seconds: float) -> int:
    headers = {"content-type": "application/json", "content-length": str(len(ask.body)), **ask.headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": ask.path, "headers": raw}
    deadline, answered = time.perf_counter() + seconds, 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": ask.body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal answered
        answered += message.get("status") == 200

    async def caller() -> None:
        while time.perf_counter() < deadline:
            await gateway(scope, receive, send)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return answered


@asynccontextmanager
async def _living(gateway: Callable[..., Awaitable[None]]) -> AsyncIterator[None]:
    """Run the application's lifespan around the block."""
    said: asyncio.Queue[Any] = asyncio.Queue()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.ensure_future(gateway({"type": "lifespan"}, said.get, heard.put))
    await said.put({"type": "lifespan.startup"})
    await heard.get()
    yield
    await said.put({"type": "lifespan.shutdown"})
    await life


@contextmanager
def _profiling(profiler: cProfile.Profile) -> Iterator[None]:
    profiler.enable()
    try:
        yield
    finally:
        profiler.disable()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _shares(stats: Mapping[Any, Any]) -> Mapping[str, float]:
    """Return each stage's share of the total time: its cumulative time less that of the stages inside it."""
    total = sum(own for _, _, own, _, _ in stats.values())
    spent: Counter[str] = Counter()
    for (path, _, name), (_, _, _, inside, callers) in stats.items():
        stage = _stage(path, name) or REST
        by_caller = [(_stage(calling[0], calling[2]) or REST, times[3]) for calling, times in callers.items()]
        by_the_loop = (REST, inside - sum(seconds for _, seconds in by_caller))
        for calling, seconds in (*by_caller, by_the_loop):
            if REST != stage != calling:
                spent[stage] += seconds
                spent[calling] -= seconds
    shares = {stage: seconds / total for stage, seconds in spent.items() if stage != REST}
    return {**shares, REST: 1 - sum(shares.values())}


def _stage(path: str, name: str) -> str | None:
    for (ending, function), stage in STAGES.items():
        if ending in path and function in (None, name):
            return stage
    return None
