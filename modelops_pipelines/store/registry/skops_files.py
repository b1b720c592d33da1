"""Judges a skops file as data: whether what it holds can touch anything outside of the process that loads it.

skops tells types that execute code from those that do not. That is not enough: an estimator may be told by a parameter
to read any file. So each object in the file is one of ``safe_estimators``, and each parameter has a value for which the
estimator touches nothing; an attribute of a fitted estimator counts like a parameter of its name, for both are one.
"""

import json
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from modelops_pipelines.store.registry.safe_estimators import CALLING, ESTIMATORS, FUNCTIONS, PARAMETERS, PARTS

FILE = "model.skops"
UNREADABLE = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, EOFError, MemoryError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What reading a damaged or crafted file may raise."""

_SCHEMA, _LARGEST_SCHEMA = "schema.json", 64 * 1024 * 1024
_PROTOCOLS = (1, 2)
_NUMPY = re.compile(
    r"numpy\.(ndarray|bool_?|str_|bytes_|u?int(8|16|32|64|p|c)?|u?longlong|float(16|32|64)|complex(64|128))"
)
_TYPES = re.compile(rf"builtins\.(str|int|float|bool)|{_NUMPY.pattern}")
_CONTAINERS = {
    "ListNode": {"builtins.list"},
    "TupleNode": {"builtins.tuple"},
    "SetNode": {"builtins.set"},
    "DictNode": {"builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"},
}
_LONGEST_QUOTE = 80

Node = dict[str, Any]


def why_outside(folder: Path) -> str | None:
    """Return why the folder's skops file could touch what is outside of its process, or None when it cannot."""
    try:
        return judge(folder / FILE)
    except UNREADABLE as error:
        return f"its skops file cannot be judged ({type(error).__name__})"


def judge(file: Path | BinaryIO) -> str | None:
    """Return why a skops file could touch what is outside of its process, or None; raises one of UNREADABLE."""
    with zipfile.ZipFile(file) as opened:
        root = read_schema(opened)
    if root.get("protocol") not in _PROTOCOLS:
        return "its skops file has a protocol that is not known"
    return next(_Judge(root).problems(root), None)


def read_schema(opened: zipfile.ZipFile) -> Node:
    """Return what a skops file says of its objects; raises one of UNREADABLE."""
    read: Node = json.loads(read_member(opened, _SCHEMA, _LARGEST_SCHEMA))
    return read


def read_member(opened: zipfile.ZipFile, name: str, largest: int) -> bytes:
    """Return a member of a skops file of at most this many bytes; raises one of UNREADABLE."""
    if opened.getinfo(name).file_size > largest:
        raise ValueError
    with opened.open(name) as member:
        return member.read(largest)


class _Judge:
    """Goes through the nodes of one file.

    skops takes two nodes with one ``__id__`` for one object, and keeps the first. So wherever a node stands, all nodes
    with its ``__id__`` are judged: an attribute cannot stand for another one's value.
    """

    def __init__(self, root: Node) -> None:
        """Find the nodes that share an ``__id__``."""
        self._twins: dict[Any, list[Node]] = defaultdict(list)
        self._judged: set[tuple[Any, ...]] = set()
        waiting: list[Any] = [root]
        while waiting:
            one = waiting.pop()
            if isinstance(one, dict):
                if "__loader__" in one and one.get("__id__"):
                    self._twins[one["__id__"]].append(one)
                waiting.extend(one.values())
            elif isinstance(one, list):
                waiting.extend(one)

    def problems(self, node: Node) -> Iterator[str]:
        """Yield what is wrong with a node, and with what it holds."""
        for one in self._all(node, "value"):
            yield from self._value(one)

    def _all(self, node: Node, *place: Any) -> Iterator[Node]:
        """Yield each node that may be taken for this one, once for each place where it is judged."""
        for one in self._twins.get(node.get("__id__")) or [node]:
            key = (id(one), *place)
            if key not in self._judged:
                self._judged.add(key)
                yield one

    def _value(self, node: Node) -> Iterator[str]:
        loader, kind = node["__loader__"], _kind(node)
        if loader in _CONTAINERS:
            if kind not in _CONTAINERS[loader]:
                yield f"it contains {_quoted(kind)} as a container"
            yield from self._children(node)
        elif loader in {"ObjectNode", "TreeNode", "LossNode"}:
            yield from self._object(node, kind)
        elif loader == "TypeNode":
            if not _TYPES.fullmatch(kind):
                yield f"it contains the type {_quoted(kind)}"
        elif loader not in {"JsonNode", "SliceNode"}:
            yield from self._numbers(node, loader, kind)

    def _children(self, node: Node) -> Iterator[str]:
        content = node["content"]
        if node["__loader__"] == "DictNode":
            yield from self.problems(node["key_types"])
            content = content.values()
        for child in content:
            yield from self.problems(child)

    def _numbers(self, node: Node, loader: str, kind: str) -> Iterator[str]:
        """Yield what is wrong with arrays, their types and random numbers; anything else is not allowed at all."""
        if loader == "NdArrayNode" and _NUMPY.fullmatch(kind):
            if node["type"] == "json":
                yield from self.problems(node["shape"])
                for child in node["content"]:
                    yield from self.problems(child)
        elif (loader, kind) in {("DTypeNode", "numpy.dtype"), ("RandomStateNode", "numpy.random.mtrand.RandomState")}:
            yield from self.problems(node["content"])
        elif (loader, kind) == ("RandomGeneratorNode", "numpy.random._generator.Generator"):
            for child in node["content"].values():
                yield from self.problems(child)
        else:
            yield f"it contains {_quoted(kind)}, which is no data ({_quoted(loader)})"

    def _object(self, node: Node, kind: str) -> Iterator[str]:
        if kind not in ESTIMATORS and kind not in PARTS:
            yield f"it contains {_quoted(kind)}, which may touch files or other things outside"
            return
        if node["__loader__"] != "ObjectNode":
            yield from self.problems(node["__reduce__"]["args"])
        if node.get("content") is not None:
            for state in self._all(node["content"], "state", kind):
                yield from self._state(state, kind)

    def _state(self, state: Node, kind: str) -> Iterator[str]:
        """Yield what is wrong with an object's attributes: a dictionary, or a tuple for what has no names for them."""
        loader, holder = state["__loader__"], _kind(state)
        if (loader, holder) == ("DictNode", "builtins.dict"):
            yield from self.problems(state["key_types"])
            for name, child in state["content"].items():
                yield from self._attribute(kind, name, child)
        elif (loader, holder) == ("TupleNode", "builtins.tuple") and kind in PARTS:
            yield from self._children(state)
        elif loader != "JsonNode" or state["content"] != "null":
            yield f"{kind.rpartition('.')[2]} has no attributes that can be judged"

    def _attribute(self, kind: str, name: str, node: Node) -> Iterator[str]:
        if name not in PARAMETERS:
            yield from self.problems(node)
            return
        for one in self._all(node, "attribute", kind, name):
            if not self._allowed(kind.rpartition(".")[2], name, one):
                yield f"{kind.rpartition('.')[2]} has {name}={_shown(one)}, which may touch what is outside"

    def _allowed(self, estimator: str, name: str, node: Node) -> bool:
        loader = node["__loader__"]
        if loader in {"ListNode", "TupleNode"} and _kind(node) in _CONTAINERS[loader]:
            items = [one for child in node["content"] for one in self._twins.get(child.get("__id__")) or [child]]
            return all(one["__loader__"] == "JsonNode" and self._allowed(estimator, name, one) for one in items)
        if loader == "FunctionNode":
            return name in CALLING and _kind(node) in FUNCTIONS
        return loader == "JsonNode" and PARAMETERS[name](estimator, json.loads(node["content"]))


def _kind(node: Node) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def _shown(node: Node) -> str:
    return _quoted(node["content"] if node["__loader__"] == "JsonNode" else _kind(node))


def _quoted(text: Any) -> str:
    """Return a name from the file for a message: it is a stranger's, so it is short and printable."""
    return ascii(str(text))[1:-1][:_LONGEST_QUOTE]
