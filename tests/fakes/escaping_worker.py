"""A module that ``run_child`` runs: it starts a process out of its session and environment, and hangs."""

import subprocess
import sys
import time

if __name__ == "__main__":
    code = "import time; time.sleep(600)  # escaped from a worker"
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True, env={})
    time.sleep(600)
