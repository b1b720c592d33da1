"""Ways in which one endpoint's file can be faulty. Each takes the path of the file and makes the fault there."""

import os
from collections.abc import Callable
from pathlib import Path

DEEP = "a: " + "[" * 5000


def _write(content: str | bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


def _replace(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink(missing_ok=True)
        make(path)

    return replace


def _add(line: str) -> Callable[[Path], None]:
    def add(path: Path) -> None:
        path.write_text(f"{path.read_text()}  {line}\n")

    return add


def _wrong_value(path: Path) -> None:
    path.write_text(path.read_text().replace("window: hour", "window: fortnight"))


def _misspelt_type(path: Path) -> None:
    path.write_text(path.read_text().replace("ModelEndpoint", "ModelEndpiont"))


FAULTS: dict[str, Callable[[Path], None]] = {
    "an unknown key": _add("colour: red"),
    "a rule's path with a null byte": _add('alerts: [{kind: sql, name: q, sql: "a\\0b"}]'),
    "a metric's path that is no text": _add('metrics: [{name: q, sql: "a\\ud800b"}]'),
    "a rule whose name would be no name": _add("alerts: [{kind: latency, percentile: 1.0e-90, above: 5}]"),
    "a wrong value": _wrong_value,
    "no YAML": _write("attributes: [unclosed"),
    "empty": _write(""),
    "a list": _write("- one\n- two\n"),
    "two documents": _write("a: 1\n---\nb: 2\n"),
    "not text": _write(b"type: \xff\xfe\x00"),
    "nested too deeply": _write(DEEP),
    "a year 0": _write("type: modelops_pipelines.ModelEndpoint\nattributes: {name: 0000-00-00}\n"),
    "a misspelt type": _misspelt_type,
    "a link to nowhere": _replace(lambda path: path.symlink_to("nowhere.yaml")),
    "a link to itself": _replace(lambda path: path.symlink_to(path.name)),
    "a folder": _replace(lambda path: path.mkdir()),
    "a pipe": _replace(os.mkfifo),
}
NOT_TOLD = frozenset({"a folder", "a pipe"})
"""What is no file at all: it declares nothing, so nothing is wrong with it."""
