"""Models that end or block their process on rows below zero, and callers that send such rows at a steady pace."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.support.project import Project
from tests.support.versions import register_as_own

GOOD = "good"
FATAL = ("abort", "segmentation fault", "exit", "killed")
RAISED = ("SystemExit", "KeyboardInterrupt", "MemoryError", "RecursionError")
HANGS = ("sleeps", "holds the interpreter")
WAYS = (*FATAL, *RAISED, *HANGS)
CODE = {
    "abort": "import os; os.abort()",
    "segmentation fault": "import ctypes; ctypes.string_at(0)",
    "exit": "import os; os._exit(0)",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "SystemExit": "import sys; sys.exit(1)",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "MemoryError": "bytearray(1 << 60)",
    "RecursionError": "f = lambda: f() + 1\nf()",
    "sleeps": "import time; time.sleep(3600)",
    "holds the interpreter": "import ctypes; ctypes.PyDLL(None).sleep(3600)",
}
YAML = "  allow_pickle: true\n  promotion: {strategy: canary, steps: [50, 100], soak: 20s, minimum: 1000000}\n"
FRAME = pd.DataFrame({"x": [0.0] * 30})


def model(how: str, seen: Path) -> Any:
    """Return a model that answers half of x, and on an x below -5 ends or blocks its process in this way.

    It writes each x that it is given to the file ``seen``, but for those near zero, such as its example's.
    """
    import mlflow

    code = CODE.get(how, "")

    class Model(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            x = model_input["x"].to_numpy(dtype=float)
            with seen.open("a") as opened:
                opened.write("".join(f"{value!r}\n" for value in x.tolist() if abs(value) > 5))
            if (x < -5).any():
                exec(code, {})
            return x / 2

    return Model()


def register(project: Project, spec: EndpointSpec, made: Any) -> ModelVersion:
    """Register a model as the project's own training would; return its version."""
    return register_as_own(project, spec, made, FRAME)


@dataclass
class Caller:
    """What callers of one endpoint sent, and what they were answered."""

    endpoint: str
    sent: list[tuple[float, int, str | None]] = field(default_factory=list)
    """x, status, and the version or the error's code."""

    def statuses(self, *, good: bool) -> Counter[int]:
        """Count the statuses of good or of bad rows."""
        return Counter(status for x, status, _ in self.sent if (x > 0) is good)


@contextmanager
def calling(url: str, caller: Caller, per_second: float, every: int, threads: int = 4) -> Iterator[Caller]:
    """Ask at this pace until the block ends; every so many-th row, if not 0, is one that crashes. No row is sent twice."""
    stopped, lock = threading.Event(), threading.Lock()
    began, numbers = time.monotonic(), iter(range(1, 1_000_000))

    def run() -> None:
        while not stopped.is_set():
            with lock:
                number = next(numbers)
            if stopped.wait(max(0.0, began + number / per_second - time.monotonic())):
                return
            x = float(10 + number) * (-1 if every and number % every == 0 else 1)
            status, body = _ask(url, caller.endpoint, x, f"person-{number}")
            said = body["model_version"] if status == 200 else body["error"]["code"]
            with lock:
                caller.sent.append((x, status, said))

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield caller
    finally:
        stopped.set()
        for thread in running:
            thread.join()


def _ask(url: str, endpoint: str, x: float, user: str) -> tuple[int, dict[str, Any]]:
    """Send one row on a connection of its own, so that any worker may take it; cheap enough for hundreds a second."""
    address = urlsplit(url)
    connection = HTTPConnection(str(address.hostname), address.port, timeout=60)
    try:
        body = json.dumps({"dataframe_records": [{"x": x}]})
        headers = {"Content-Type": "application/json", "X-User-Id": user}
        connection.request("POST", f"/endpoints/{endpoint}/invocations", body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def times_seen(seen: Path) -> Counter[float]:
    """Count how often a model was given each x."""
    return Counter(float(line) for line in seen.read_text().split()) if seen.exists() else Counter()


FATAL_ROW = -1e12


def native(project: Project, spec: EndpointSpec) -> ModelVersion:
    """Register a scikit-learn tree in skops format, data only, whose native code reads far out of bounds at FATAL_ROW."""
    import numpy as np
    from sklearn.tree import DecisionTreeRegressor

    x = np.array([[-1e9], [1.0], [2.0]])
    tree = DecisionTreeRegressor().fit(pd.DataFrame(x, columns=["x"]), [0.0, 1.0, 2.0])
    state = tree.tree_.__getstate__()
    nodes = state["nodes"].copy()
    left = nodes["left_child"][0]
    nodes["left_child"][left], nodes["right_child"][left] = 2**40, 2**40
    state["nodes"] = nodes
    tree.tree_.__setstate__(state)
    registry = project.stores.registry
    logged = registry.log(
        registry.prepare(tree, pd.DataFrame({"x": [1.0] * 30}), spec.task, allow_pickle=False),
        model_name=spec.model_name,
        experiment=spec.name,
        training_set="none",
        trainer="none",
    )
    project.stores.deployments.record_version(logged)
    return logged
