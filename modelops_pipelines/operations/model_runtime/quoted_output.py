"""What a version prints in a process of its own: quoted by ``core.foreign_text``, line by line, and never as it is.

What its Python code writes to stdout and stderr, and exceptions that end a thread, are quoted. What goes to the
descriptors past Python (C libraries, processes that the model starts) cannot be told from values, and is dropped.
"""

import io
import os
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, TextIO

from modelops_pipelines.core.foreign_text import error_trace, shown, words_of_stack
from modelops_pipelines.operations.model_runtime.rows_under_way import rows_under_way

LINE = 4000
"""The most characters of a line that are kept until it ends."""
Say = Callable[[str], object]
_KNOWN_WARNINGS = ("X does not have valid feature names",)
_SHOW = warnings.showwarning


def take_output() -> TextIO:
    """Keep the descriptors of stdout and stderr from what runs here; return a stream to where stderr went."""
    ours = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="replace")
    null = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(null, number)
    os.close(null)
    return ours


def quote_output(say: Say) -> None:
    """Have every line that this process prints, and what ends its threads or itself, said by ``say`` in quoted form."""
    sys.stdout = sys.__stdout__ = QuotedStream(1, say)  # type: ignore[misc] # what a model prints to instead
    sys.stderr = sys.__stderr__ = QuotedStream(2, say)  # type: ignore[misc] # as above
    threading.excepthook = lambda ended: _say_error(ended.exc_value, say)
    sys.excepthook = lambda _kind, error, _trace: _say_error(error, say)
    sys.unraisablehook = lambda failed: _say_error(failed.exc_value, say)


def ignore_known_warnings() -> None:
    """Show no warning of what is done on purpose: the array path's answers were compared when the version loaded."""
    for message in _KNOWN_WARNINGS:
        warnings.filterwarnings("ignore", message=message)


def quote_warnings() -> None:
    """Have this process's warnings shown in quoted form, unless somebody else shows them already."""
    if warnings.showwarning is _SHOW:
        warnings.showwarning = _show_quoted


def _show_quoted(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,  # noqa: ARG001 - as above
) -> None:
    quoted = shown(str(message), words_of_stack(), rows_under_way())
    (file or sys.stderr).write(f"{filename}:{lineno}: {category.__name__}: {quoted}\n")


def _say_error(error: BaseException | None, say: Say) -> None:
    if error is not None and not isinstance(error, SystemExit):
        say(error_trace(error, rows_under_way()))


class QuotedStream(io.TextIOWrapper):
    """A text stream whose lines are quoted; its descriptor, for code that asks for one, leads nowhere."""

    def __init__(self, descriptor: int, say: Say) -> None:
        """Say each line by ``say``."""
        super().__init__(io.FileIO(descriptor, "wb", closefd=False), encoding="utf-8", errors="replace")
        self._say, self._line, self._lock = say, "", threading.RLock()

    def write(self, text: str) -> int:
        """Take text, and say the lines that it ends."""
        with self._lock:
            *ended, last = text.split("\n")
            for line in ended:
                self._end_line(self._line + line)
            self._line = (self._line + last)[:LINE]
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Take several texts."""
        for line in lines:
            self.write(line)

    def _end_line(self, line: str) -> None:
        self._line = ""
        quoted = shown(line, words_of_stack(), rows_under_way())
        if quoted:
            self._say(quoted)
