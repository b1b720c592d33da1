"""A LitServe server of one scikit-learn model. Runs in LitServe's environment, without modelops.

``python litserve_server.py MODEL.joblib PORT WORKERS BATCH TIMEOUT plain|fast``
"""

import sys
from typing import Any

import joblib
import litserve as ls
import numpy as np


class Probabilities(ls.LitAPI):  # type: ignore[misc]
    """Answers rows with their probabilities; a batch is the rows of several requests."""

    model_path = ""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's
        """Load the model."""
        self.model = joblib.load(self.model_path)

    def decode_request(self, request: dict[str, Any]) -> Any:
        """Return a request's rows."""
        return np.asarray(request["rows"], dtype=np.float64)

    def batch(self, inputs: list[Any]) -> tuple[Any, list[int]]:
        """Join the rows of several requests, and store where each begins."""
        return np.concatenate(inputs), np.cumsum([len(rows) for rows in inputs])[:-1].tolist()

    def predict(self, x: Any) -> Any:
        """Predict one request's rows, or a batch's."""
        if isinstance(x, tuple):
            rows, starts = x
            return np.split(self.model.predict_proba(rows), starts)
        return self.model.predict_proba(x)

    def unbatch(self, output: list[Any]) -> list[Any]:
        """Return each request's part."""
        return output

    def encode_response(self, output: Any) -> dict[str, Any]:
        """Return a value that JSON can hold."""
        return {"predictions": output.tolist()}


def main(model: str, port: str, workers: str, batch: str, timeout: str, queue: str) -> None:
    """Serve on loopback until stopped."""
    batching = {"max_batch_size": int(batch), "batch_timeout": float(timeout)} if int(batch) > 1 else {}
    api = Probabilities(**batching)
    api.model_path = model  # of the instance: its worker process gets a copy of it
    server = ls.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=int(workers),
        fast_queue=queue == "fast",
    )
    server.run(host="127.0.0.1", port=int(port), log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
