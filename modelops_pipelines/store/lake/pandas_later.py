"""Keeps pandas out of a process that makes Arrow arrays and no frames: its import takes half a CPU second."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _NotYet(MetaPathFinder):
    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ImportError("pandas is not looked for now")
        return None


def leave_pandas_for_later() -> None:
    """Have PyArrow look for pandas when a frame is asked for (``to_pandas``), rather than at its first array.

    For processes that make frames by ``to_pandas`` alone: until the first one, a pandas Series counts as a list.
    """
    import pyarrow as pa

    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, finder := _NotYet())
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(finder)
