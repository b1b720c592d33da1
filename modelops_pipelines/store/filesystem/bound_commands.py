"""A command that ends with the process that runs it, however that one ends: nothing of it goes on alone."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

_BOOT = (
    "import os, sys; sys.path.insert(0, sys.argv[1]); "
    "from modelops_pipelines.store.filesystem.process_identity import end_with_parent; "
    "end_with_parent(int(sys.argv[2])); os.execv(sys.argv[3], sys.argv[3:])"
)
"""Not in the child between fork and exec: this process may have threads, whose locks nobody would free there."""


def bound(command: Sequence[str]) -> list[str]:
    """Return what runs the command so that the kernel kills it when this process ends (Linux).

    It is bound to the thread that starts it, which must wait for its end. The command's first part is a path.
    """
    return [sys.executable, "-I", "-S", "-c", _BOOT, str(Path(__file__).parents[3]), str(os.getpid()), *command]
