"""Takes from a process what a model does not need: the network, writing of files, other processes; where Linux permits.

By namespaces of its own user, which need no privilege. What was applied is returned, so that it can be shown.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from modelops_pipelines.store.filesystem.process_identity import end_with_parent

NETWORK, FILES, PROCESSES = "network", "files", "processes"
NOTHING = {NETWORK: "shared", FILES: "writable", PROCESSES: "shared"}
"""What is said where the system permits nothing of it."""
_NEW_USER, _NEW_MOUNTS, _NEW_NETWORK, _NEW_IPC, _NEW_PIDS = 0x10000000, 0x20000, 0x40000000, 0x8000000, 0x20000000
_PRIVATE, _RECURSIVE, _BIND, _NO_SUID, _NO_DEV = 1 << 18, 1 << 14, 1 << 12, 2, 4
_SHARED_MEMORY = b"/dev/shm"
"""A mount here hides what lies below: a home that is kept in memory."""
_HERE, _AT_RECURSIVE, _MOUNT_SETATTR, _READ_ONLY = -100, 0x8000, 442, 1
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_CAPABILITIES_VERSION, _MOST_CAPABILITIES = 0x20080522, 64


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user_namespace")]


def confine(writable: str) -> dict[str, str]:
    """Confine this process, which must have one thread and no child; return what was applied, by its name.

    Only the folder ``writable`` stays writable. The process goes on as a child of itself: the first one of its own
    processes, whose end ends all of them.
    """
    if not _tried(lambda: _enter(writable)):
        return dict(NOTHING)
    return _enter(writable)


def _tried(enter: Callable[[], object]) -> bool:
    """Return whether it can be done, tried in a child: half of it is not undone."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    code = 1
    try:
        enter()
        code = 0
    finally:
        os._exit(code)


def _enter(writable: str) -> dict[str, str]:
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    _checked(libc.unshare(_NEW_USER | _NEW_MOUNTS | _NEW_NETWORK | _NEW_IPC | _NEW_PIDS))
    for name, content in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as opened:  # noqa: PTH123
            opened.write(content)
    child = os.fork()
    if child:  # it only waits: namespaces of processes hold for children
        _, status = os.waitpid(child, 0)
        os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1)
    end_with_parent(None)
    applied = {**NOTHING, NETWORK: "none", PROCESSES: "own"}
    if _make_read_only(libc, writable.encode()):
        applied[FILES] = "read_only"
    _drop_capabilities(libc)
    return applied


def _make_read_only(libc: ctypes.CDLL, writable: bytes) -> bool:
    """Make all mounted files read-only but those in one folder, and shared memory; return whether that is permitted.

    Shared memory is one of its own, unless the environment lies in this machine's: then that stays, read-only.
    """
    with suppress(OSError):
        _checked(libc.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None))
        _checked(libc.mount(writable, writable, None, _BIND, None))
        _set_read_only(libc, b"/", _AT_RECURSIVE, on=True)
        _set_read_only(libc, writable, 0, on=False)
        needed = [os.path.realpath(one) for one in (os.fsencode(sys.prefix), writable)]
        if not any(one.startswith(_SHARED_MEMORY + b"/") for one in needed):
            with suppress(OSError):
                _checked(libc.mount(b"tmpfs", _SHARED_MEMORY, b"tmpfs", _NO_SUID | _NO_DEV, b"size=256m"))
        with suppress(OSError):
            _checked(libc.mount(b"proc", b"/proc", b"proc", _NO_SUID | _NO_DEV, None))
        return True
    return False


def _set_read_only(libc: ctypes.CDLL, folder: bytes, flags: int, *, on: bool) -> None:
    wanted = _MountAttributes(_READ_ONLY if on else 0, 0 if on else _READ_ONLY, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    _checked(libc.syscall(_MOUNT_SETATTR, _HERE, folder, flags, ctypes.byref(wanted), size))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Give up what a namespace's first user may do in it, for good: the mounts stay as they are."""
    for number in range(_MOST_CAPABILITIES):
        libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
