"""An ONNX file read as data: its nodes, its tensors and where their bytes are. It needs neither onnx nor onnxruntime.

The file is a Protocol Buffers message. Of its wire format (https://protobuf.dev/programming-guides/encoding) and of
``onnx.proto`` (field numbers below) only what says where a model could reach is read; numbers are passed over.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Value = int | memoryview
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT = 10
_EXTERNAL = 1
_NO_NUMBER = 2**29
"""Greater than every field's number. onnxruntime drops the bits above it, and so takes one number for another."""
_TEXTS = b"|".join(b"\\x%02x[\\s\\S]{%d}" % (size, size) for size in range(32))
_RUNS = re.compile(rb"(?:\x3d[\s\S]{4})++|(?:\x40[\x80-\xff]{0,9}[\x00-\x7f])++|(?:\x4a(?:" + _TEXTS + rb"))++")
"""Runs of an attribute's floats, integers and short texts (fields 7 to 9), a tag each: trees have millions."""
_RUN_TAGS = b"\x3d\x40\x4a"
_TREE: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""The messages that are looked into, and their fields that hold further ones."""


@dataclass(frozen=True)
class External:
    """Where a tensor's bytes are outside of the file: the values of its ``external_data`` as they stand there."""

    entries: Mapping[str, str]
    elements: int


@dataclass
class Node:
    """An operator's use: names of what it takes and gives, and the classes that it states."""

    operator: str = ""
    domain: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    classes: list[str | int] = field(default_factory=list)


@dataclass
class OnnxFile:
    """What was found. ``own_operators`` are functions that the file itself defines, by domain and name.

    ``oversized`` is the number of elements of a tensor that declares more than the file could hold; None without one.
    """

    nodes: list[Node] = field(default_factory=list)
    externals: list[External] = field(default_factory=list)
    own_operators: set[tuple[str, str]] = field(default_factory=set)
    oversized: int | None = None


def read_onnx(content: bytes) -> OnnxFile:
    """Return what an ONNX file holds; raises ValueError for what is no such file, or is cut off."""
    found = OnnxFile()
    waiting: list[tuple[str, memoryview, Node | None]] = [("model", memoryview(content), None)]
    while waiting:
        kind, message, node = waiting.pop()
        if kind == "tensor":
            _read_tensor(message, found)
            continue
        fields = list(_fields(message, skips=kind == "attribute"))
        if kind == "node":
            node = _read_node(fields)
            found.nodes.append(node)
        elif kind == "function":
            found.own_operators.add((_text_of(fields, 10), _text_of(fields, 1)))
        elif kind == "attribute" and node is not None:
            node.classes += _classes_of(fields, message)
        inner = _TREE[kind]
        waiting += [(inner[number], _message(value), node) for number, value in fields if number in inner]
    return found


def _read_node(fields: list[tuple[int, Value]]) -> Node:
    node = Node(_text_of(fields, 4), _text_of(fields, 7))
    node.inputs = [_text(value) for number, value in fields if number == 1]
    node.outputs = [_text(value) for number, value in fields if number == 2]  # noqa: PLR2004 - a field's number
    return node


def _classes_of(fields: list[tuple[int, Value]], message: memoryview) -> list[str | int]:
    """Return the classes that an attribute states, whose name begins so in every operator of ai.onnx.ml."""
    if not _text_of(fields, 1).startswith("classlabels_"):
        return []
    found: list[str | int] = []
    for number, value in _fields(message):
        if number == 9:  # noqa: PLR2004 - a string
            found.append(_text(value))
        elif number == 8:  # noqa: PLR2004 - an integer, or all in one
            found += [_signed(one) for one in ([value] if isinstance(value, int) else _varints(value))]
    return found


def _read_tensor(message: memoryview, found: OnnxFile) -> None:
    """Note where a tensor's bytes are, and whether it declares more elements than they could hold."""
    dims: list[int] = []
    entries: dict[str, str] = {}
    is_external = False
    for number, value in _fields(message):
        if number == 1:
            dims += [value] if isinstance(value, int) else _varints(value)
        elif number == 13:  # noqa: PLR2004 - external_data
            pair = list(_fields(_message(value)))
            entries[_text_of(pair, 1)] = _text_of(pair, 2)
        elif number == 14:  # noqa: PLR2004 - data_location
            is_external = is_external or value == _EXTERNAL
    elements = math.prod(_signed(one) for one in dims)
    if is_external or entries:
        found.externals.append(External(entries, elements))
    elif elements < 0 or elements > 8 * len(message):
        found.oversized = elements


def _fields(message: memoryview, *, skips: bool = False) -> Iterator[tuple[int, Value]]:
    """Yield each field's number and value; ``skips`` passes over an attribute's runs. Raises ValueError as above."""
    at, end = 0, len(message)
    while at < end:
        if skips and message[at] in _RUN_TAGS:
            run = _RUNS.match(message, at)
            at = run.end() if run else at
            if at == end:
                return
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < _NO_NUMBER:
            raise ValueError("a field without a number, or with one that there is not")
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(message, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError("a field of an unknown kind")
        if size > end - at:
            raise ValueError("a field that is cut off")
        yield number, message[at : at + size]
        at += size


def _varints(message: memoryview) -> list[int]:
    found, at = [], 0
    while at < len(message):
        value, at = _varint(message, at)
        found.append(value)
    return found


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    if at < len(message) and message[at] < 0x80:  # noqa: PLR2004 - the usual case: a single byte
        return message[at], at + 1
    value = 0
    for place in range(_LONGEST_VARINT):
        if at + place >= len(message):
            break
        byte = message[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 - the last byte
            return value & 2**64 - 1, at + place + 1
    raise ValueError("a number that is cut off")


def _signed(value: Any) -> int:
    number = int(value)
    return number - 2**64 if number >= 2**63 else number


def _message(value: Value) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number in the place of a message")  # noqa: TRY004 - of the file, not of the argument
    return value


def _text(value: Value) -> str:
    return bytes(_message(value)).decode("utf-8")


def _text_of(fields: list[tuple[int, Value]], number: int) -> str:
    """Return the text of a field, the last one where it stands several times, as every reader takes it."""
    found = [value for one, value in fields if one == number]
    return _text(found[-1]) if found else ""
