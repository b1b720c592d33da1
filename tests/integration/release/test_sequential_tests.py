"""Intervals that may be looked at at any time are worked out without numpy."""

import subprocess
import sys


def test_importing_it_loads_no_numpy():
    code = "import sys, modelops_pipelines.core.release.sequential_tests; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
