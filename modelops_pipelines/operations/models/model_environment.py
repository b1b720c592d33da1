"""The environment of a process that runs a model: its parent's, without what looks like a secret.

It is the same where a version serves, is tried, or answers apart. It is no wall against a model that means harm, which
runs as the same user: it keeps secrets out of what a model prints, sends, or hands to what it starts.
"""

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

from modelops_pipelines.core.access.secret_variables import without_secrets
from modelops_pipelines.store.setting_names import SECRET_VARIABLES

_STAT = "/proc/self/stat"
_START, _END = 47, 48
"""Where /proc/PID/stat has the addresses of the environment that a process began with, counted after its name."""


def child_environment() -> dict[str, str]:
    """Return this process's environment, in which a child imports from the same places."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}


def model_environment() -> dict[str, str]:
    """Return the environment of a process that runs a model, to start it with."""
    return _shown(child_environment())


def forget_secrets() -> None:
    """Take the secrets out of this process's own environment, for one that was forked and runs models, or starts them.

    Linux goes on showing the environment that a process began with, and its children copy that: they are overwritten
    there too. Only for a process with one thread.
    """
    shown = {os.fsencode(name) for name in _shown(dict(os.environ))}
    secret = {name: value for name, value in os.environb.items() if name not in shown}
    for name in secret:
        del os.environb[name]
    with suppress(OSError, ValueError, LookupError):
        _overwrite([b"%s=%s" % pair for pair in secret.items()])


def _shown(environment: dict[str, str]) -> dict[str, str]:
    return without_secrets({name: value for name, value in environment.items() if name not in SECRET_VARIABLES})


def _overwrite(entries: list[bytes]) -> None:
    """Overwrite these entries of the environment that the process began with; nothing points there any more."""
    fields = Path(_STAT).read_bytes().rpartition(b")")[2].split()
    start, end = int(fields[_START]), int(fields[_END])
    place = start
    for entry in ctypes.string_at(start, end - start).split(b"\0") if 0 < start < end else ():
        if entry in entries:
            ctypes.memset(place, 0, len(entry))
        place += len(entry) + 1
