"""Models that misbehave as real ones do: once they serve, not while they are trained."""

from typing import Any

RAISE, HANG, EXIT, CRASH, LINGER, TEXT, SLOW, ESCAPE = -1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0, -8.0
TOLD_TO = "MOODY_FILE"
"""The variable with the file to which a model that escapes writes its environment."""


def moody(always: float | None = None) -> Any:  # noqa: C901 - a branch for each mood
    """Return a trainer of a model that does what a row's radius says, or ``always`` the same."""

    def train(_frame: Any, _context: Any) -> Any:
        import os

        import mlflow

        trained_in = os.getpid()  # MLflow tries a model that it logs

        class Moody(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
            def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature; hints would be taken for one
                import pathlib
                import signal
                import subprocess
                import sys
                import time

                import numpy as np

                radius = model_input["mean_radius"].to_numpy()
                moods = (
                    set() if os.getpid() == trained_in else ({always} if always is not None else set(radius.tolist()))
                )
                if -1.0 in moods:
                    raise ValueError(f"{int((radius == -1).sum())} of {len(radius)} radii make no sense")
                if -2.0 in moods:
                    while True:
                        time.sleep(0.01)
                if -3.0 in moods:
                    sys.stderr.write("out of paper\n")
                    sys.stderr.flush()
                    os._exit(7)
                if -4.0 in moods:
                    os.kill(os.getpid(), signal.SIGSEGV)
                if -5.0 in moods:
                    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # lingering"])
                if -8.0 in moods:
                    code = "import time; time.sleep(600)  # escaped"
                    subprocess.Popen([sys.executable, "-c", code], start_new_session=True, env={})
                    pathlib.Path(os.environ["MOODY_FILE"]).write_text(repr(dict(os.environ)))
                if -7.0 in moods:
                    time.sleep(0.002 * len(radius))
                return 1 / (1 + np.exp(radius - 15))

        return Moody()

    return train
