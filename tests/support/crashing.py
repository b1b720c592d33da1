"""A function that dies in the midst of what it does, as if its process had been killed there."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest


class CrashError(BaseException):
    """The process ends here."""


@contextmanager
def crash_at(owner: Any, name: str, nth: int, moment: str) -> Iterator[list[int]]:
    """End the block before or after the nth call of a function; yield a list that is empty until that came."""
    original = getattr(owner, name)
    calls, crashed = 0, list[int]()

    def crash(at: str) -> None:
        if (at, calls) == (moment, nth):
            crashed.append(nth)
            raise CrashError

    def crashing(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        crash("before")
        result = original(*args, **kwargs)
        crash("after")
        return result

    with pytest.MonkeyPatch.context() as patched, suppress(CrashError):
        patched.setattr(owner, name, crashing)
        yield crashed
