"""Models that are good until they are asked about a row that a training frame does not have, and callers of them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pandas as pd

from tests.support.gateway import RunningGateway
from tests.support.project import Project
from tests.support.versions import register_as_own

GOOD, RAISING, SLOW, WRONG, FRAGILE = "good", "raising", "slow", "wrong", "fragile"
MORE = "  allow_pickle: true\n  classes: [0, 1]\n  promotion: {strategy: canary, steps: [20, 50, 100], soak: 20s, minimum: 30}\n"
FRAME = pd.DataFrame({"x": [0.0] * 30})


def behaving(how: str) -> Any:
    """Return a model that answers 0.1 for x <= 0.5 and 0.9 above, or misbehaves above 0."""
    import mlflow

    class Model(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            x = model_input["x"].to_numpy(dtype=float)
            if how == "raising" and (x > 0).any():
                raise ValueError("broken")
            if how == "fragile" and (x > 1).any():
                raise ValueError("too large")
            if how == "slow" and (x > 0).any():
                time.sleep(0.4)
            answer = np.where(x > 0.5, 0.9, 0.1)
            return 1 - answer if how == "wrong" and (x > 0).any() else answer

    return Model()


def register(project: Project, spec: Any, how: str) -> str:
    """Train and register a version that behaves so; return its number."""
    return register_as_own(project, spec, behaving(how), FRAME[["x"]]).version


@dataclass
class Callers:
    """Callers at a steady pace, each request with a chance of its own, and what they were answered."""

    statuses: list[tuple[str | None, int]] = field(default_factory=list)
    ids: list[tuple[str, float]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, gateway: RunningGateway, endpoint: str, pause: float, *, labels: bool) -> None:
        """Ask until stopped; with ``labels`` say at once what was true."""
        random = np.random.default_rng(threading.get_ident() % 2**32)
        url = gateway.client.base_url
        with httpx.Client(base_url=url, timeout=30) as client:
            while not self.stopped.is_set():
                began = time.monotonic()
                x = float(random.uniform(0.01, 1))
                answer = client.post(f"/endpoints/{endpoint}/invocations", json={"dataframe_records": [{"x": x}]})
                body = answer.json()
                self.statuses.append((body.get("model_version"), answer.status_code))
                if labels and answer.status_code == 200:
                    label = {"prediction_id": f"{body['request_id']}-0", "label": int(x > 0.5)}
                    client.post(f"/endpoints/{endpoint}/labels", json={"labels": [label]})
                time.sleep(max(0.0, pause - (time.monotonic() - began)))


@contextmanager
def calling(
    gateway: RunningGateway, endpoint: str, per_second: float, callers: int = 4, *, labels: bool = False
) -> Iterator[Callers]:
    """Have callers ask so often in all until the block ends."""
    found = Callers()
    pause = callers / per_second
    threads = [
        threading.Thread(target=found.run, args=(gateway, endpoint, pause), kwargs={"labels": labels})
        for _ in range(callers)
    ]
    for thread in threads:
        thread.start()
        time.sleep(pause / callers)
    try:
        yield found
    finally:
        found.stopped.set()
        for thread in threads:
            thread.join()
