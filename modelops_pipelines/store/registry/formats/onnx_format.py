"""ONNX, answered by onnxruntime on the CPU: only operators that it has, and only bytes of its folder."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelops_pipelines.store.registry.formats.data_format import DataFormat, quoted
from modelops_pipelines.store.registry.formats.onnx_messages import External, OnnxFile, read_onnx

_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
_OPTIONS = frozenset({"execution_mode", "graph_optimization_level", "inter_op_num_threads", "intra_op_num_threads"})
_LEVELS = frozenset({0, 1, 2, 99})
_MODES = frozenset({"sequential", "parallel"})
_MOST_THREADS = 64
_LARGEST = 2**31
"""Bytes of the largest file: no Protocol Buffers message is larger; larger models keep their tensors outside."""
_FILE_NAME = re.compile(r"\w[\w.-]{0,254}", re.ASCII)
_PLACE = frozenset({"location", "offset", "length", "checksum"})
_PER_BYTE = 8
"""Elements that a byte holds at the most."""


def _why_other(own: Mapping[Any, Any]) -> str | None:
    """Return why the session's options are not accepted; providers are not looked at, because only the CPU is used."""
    options = own.get("onnx_session_options") or {}
    if not isinstance(options, dict) or set(options) - _OPTIONS:
        return "it sets options of onnxruntime's session that may not be safe"
    mode, level = options.get("execution_mode", "sequential"), options.get("graph_optimization_level", 99)
    threads = [options.get(name, 1) for name in ("inter_op_num_threads", "intra_op_num_threads")]
    fits = isinstance(mode, str) and mode.lower() in _MODES and type(level) is int and level in _LEVELS
    if not fits or any(type(count) is not int or not 0 <= count <= _MOST_THREADS for count in threads):
        return "it sets options of onnxruntime's session to values that are not known"
    return None


def _why_unfit(file: Path) -> str | None:
    if file.stat().st_size > _LARGEST:
        return f"its file {file.name} is over 2 GiB"
    try:
        found = read_onnx(file.read_bytes())
    except (ValueError, OverflowError) as error:
        return f"its file {file.name} is not in ONNX format, or is cut off ({error})"
    if not found.nodes:
        return f"its file {file.name} is not in ONNX format: it has no operators"
    if found.oversized is not None:
        return f"it declares a tensor of {found.oversized} elements, which its file does not hold"
    problems = (_why_foreign(found), *(_why_elsewhere(external, file.parent) for external in found.externals))
    return next((problem for problem in problems if problem), None)


def _why_foreign(found: OnnxFile) -> str | None:
    """Return which operator would need a library of its own."""
    for node in found.nodes:
        if node.domain not in _DOMAINS and (node.domain, node.operator) not in found.own_operators:
            return (
                f"it uses the operator {quoted(node.operator)} of the domain {quoted(node.domain)}, "
                "which is none of ONNX's own"
            )
    return None


def _why_elsewhere(external: External, folder: Path) -> str | None:
    """Return why a tensor's bytes are not read: they are in a file of the folder, and within it, or nowhere."""
    entries = external.entries
    name = entries.get("location", "")
    if set(entries) - _PLACE or not _FILE_NAME.fullmatch(name):
        return f"its tensors are in other places than its folder ({quoted(name)})"
    file = folder / name
    if file.is_symlink() or not file.is_file():
        return f"its tensors' file {quoted(name)} is not there, or is no regular file"
    numbers = [entries.get(key, default) for key, default in (("offset", "0"), ("length", ""))]
    if not all(re.fullmatch(r"[0-9]{0,18}", number) for number in numbers):
        return "its tensors' places in their file are no numbers"
    size, offset = file.stat().st_size, int(numbers[0] or 0)
    length = int(numbers[1]) if numbers[1] else size - offset
    if length < 0 or offset + length > size or not 0 <= external.elements <= _PER_BYTE * length:
        return f"its tensors do not fit into their file {quoted(name)}"
    return None


def _load(own: Mapping[Any, Any], file: Path) -> Any:
    import onnxruntime

    from modelops_pipelines.store.registry.formats.onnx_model import OnnxModel

    session = onnxruntime.InferenceSession(
        str(file), sess_options=_options(onnxruntime, own), providers=["CPUExecutionProvider"]
    )
    return OnnxModel(session, read_onnx(file.read_bytes()))


def _options(onnxruntime: Any, own: Mapping[Any, Any]) -> Any:
    """Return the session's options: one thread where the model does not say, as for all other models."""
    stated, options = own.get("onnx_session_options") or {}, onnxruntime.SessionOptions()
    cores = os.cpu_count() or 1
    options.intra_op_num_threads = min(stated.get("intra_op_num_threads") or 1, cores)
    options.inter_op_num_threads = min(stated.get("inter_op_num_threads") or 1, cores)
    if str(stated.get("execution_mode", "")).lower() == "parallel":
        options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    if stated.get("graph_optimization_level"):
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel(stated["graph_optimization_level"])
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


ONNX = DataFormat(
    name="onnx",
    library="onnxruntime",
    keys=frozenset({"onnx_session_options", "onnx_version", "providers"}),
    files=frozenset({"model.onnx"}),
    why_other=_why_other,
    why_unfit=_why_unfit,
    load=_load,
    remedy="Log it with mlflow.onnx.log_model, of ONNX's own operators, without code_paths and other session options",
)
