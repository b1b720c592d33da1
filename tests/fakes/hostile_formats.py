"""Files of the data formats as an attacker makes them: each function saves a good model, and leaves it in another shape."""

import json
import pickle
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.fakes import data_formats as good
from tests.fakes.hostile_models import EVIL, Payload, edit

Hostile = Callable[[Path], None]
FILES = {"xgboost": "model.ubj", "lightgbm": "model.lgb", "catboost": "model.cb", "onnx": "model.onnx"}
SAVED: Mapping[str, good.Save] = {
    "xgboost": good.xgboost_booster,
    "lightgbm": good.lightgbm_booster,
    "catboost": good.catboost_classifier,
    "onnx": good.onnx_matrix,
}


def xgboost_children_outside(folder: Path) -> None:
    """Have an XGBoost tree lead to a node that it does not have: the library reads memory that is not its own."""
    good.xgboost_booster(folder, model_format="json", metadata={"classes": ["female", "male"]})
    content = json.loads((folder / "model.json").read_text())
    for tree in content["learner"]["gradient_booster"]["model"]["trees"]:
        tree["left_children"] = [2_000_000_000 if child >= 0 else child for child in tree["left_children"]]
    (folder / "model.json").write_text(json.dumps(content))


def xgboost_features(folder: Path) -> None:
    """Have an XGBoost model declare features for which the library would take the machine's memory."""
    good.xgboost_booster(folder, model_format="json")
    content = json.loads((folder / "model.json").read_text())
    content["learner"]["learner_model_param"]["num_feature"] = "4000000000"
    (folder / "model.json").write_text(json.dumps(content))


def xgboost_array(folder: Path) -> None:
    """Have a UBJSON array declare 2**40 elements."""
    good.xgboost_booster(folder)
    content = (folder / "model.ubj").read_bytes()
    at = content.index(b"[$") + 5
    (folder / "model.ubj").write_bytes(content[:at] + struct.pack(">q", 2**40) + content[at + 8 :])


def lightgbm_features(folder: Path) -> None:
    good.lightgbm_booster(folder)
    text = (folder / "model.lgb").read_text()
    (folder / "model.lgb").write_text(re.sub("max_feature_idx=.*", "max_feature_idx=2000000000", text, count=1))


def lightgbm_trees_elsewhere(folder: Path) -> None:
    """Have the declared sizes of trees lead somewhere else."""
    good.lightgbm_booster(folder)
    text = (folder / "model.lgb").read_text()
    (folder / "model.lgb").write_text(re.sub("tree_sizes=[0-9]+", "tree_sizes=77", text, count=1))


def catboost_size(folder: Path) -> None:
    good.catboost_classifier(folder)
    content = (folder / "model.cb").read_bytes()
    (folder / "model.cb").write_bytes(content[:4] + struct.pack("<I", 2**32 - 1) + content[8:])


def onnx_with(folder: Path, change: Callable[[Any], None]) -> None:
    """Save an ONNX model that was changed by onnx itself."""
    import onnx

    good.onnx_matrix(folder)
    model = onnx.load(folder / "model.onnx")
    change(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def onnx_external(folder: Path, location: str, length: str = "16", elements: int = 4) -> None:
    """Have an ONNX model keep a tensor in a file of this name."""
    import onnx

    def change(model: Any) -> None:
        tensor = model.graph.initializer.add(
            name="more", data_type=onnx.TensorProto.FLOAT, dims=[elements], data_location=onnx.TensorProto.EXTERNAL
        )
        for key, value in (("location", location), ("offset", "0"), ("length", length)):
            tensor.external_data.add(key=key, value=value)

    onnx_with(folder, change)


def onnx_operator(folder: Path) -> None:
    """Use an operator that only a library of the attacker's has."""

    def change(model: Any) -> None:
        model.graph.node.add(op_type="Shell", domain="evil.ops", input=["X"], output=["Y"])
        model.opset_import.add(domain="evil.ops", version=1)

    onnx_with(folder, change)


def onnx_operator_deep(folder: Path) -> None:
    """Hide such an operator in a branch of a branch."""

    def change(model: Any) -> None:
        graph = model.graph
        for _ in range(3):
            node = graph.node.add(op_type="If", input=["X"], output=["Y"])
            graph = node.attribute.add(name="then_branch", type=5).g
        graph.node.add(op_type="Shell", domain="evil.ops")

    onnx_with(folder, change)


def onnx_dimensions(folder: Path) -> None:
    def change(model: Any) -> None:
        model.graph.initializer.add(name="more", data_type=1, dims=[2**40], raw_data=b"\0" * 16)

    onnx_with(folder, change)


def onnx_hidden(folder: Path) -> None:
    """Hide a tensor outside of the folder behind a field's number of which onnxruntime drops the upper bits."""
    import onnx

    onnx_external(folder, "../secret")
    hidden = onnx.load(folder / "model.onnx", load_external_data=False).graph
    good.onnx_matrix(folder.parent / "good")
    graph = hidden.SerializeToString()
    (folder / "model.onnx").write_bytes(
        (folder.parent / "good" / "model.onnx").read_bytes()
        + _varint((7 << 3 | 2) + 2**32)
        + _varint(len(graph))
        + graph
    )


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + _varint(number >> 7)


def onnx_option(folder: Path) -> None:
    good.onnx_matrix(folder, onnx_session_options={"extra_session_config": {"session.load_model_format": "ORT"}})


def a_pickle(flavour: str) -> Hostile:
    def change(folder: Path) -> None:
        SAVED[flavour](folder)
        (folder / FILES[flavour]).write_bytes(pickle.dumps(Payload()))

    return change


def keys(flavour: str, **wanted: Any) -> Hostile:
    """Set keys of the flavour, and of the generic one where it has them."""

    def change(folder: Path) -> None:
        SAVED[flavour](folder)
        own = {key: value for key, value in wanted.items() if key != "loader_module"}
        edit(folder, lambda described: described["flavors"][flavour].update(own))
        both = {key: value for key, value in wanted.items() if key in ("data", "code", "loader_module")}
        edit(folder, lambda described: described["flavors"]["python_function"].update(both))

    return change


def code(flavour: str) -> Hostile:
    """Bring a module along that stands in for the library itself."""

    def change(folder: Path) -> None:
        keys(flavour, code="code")(folder)
        (folder / "code").mkdir()
        (folder / "code" / f"{'onnxruntime' if flavour == 'onnx' else flavour}.py").write_text(EVIL)

    return change


def outside(flavour: str) -> Hostile:
    """Name a file above the folder."""

    def change(folder: Path) -> None:
        keys(flavour, data=f"../{FILES[flavour]}")(folder)
        (folder.parent / FILES[flavour]).write_bytes((folder / FILES[flavour]).read_bytes())

    return change


def linked(flavour: str) -> Hostile:
    """Be a link to a file elsewhere."""

    def change(folder: Path) -> None:
        SAVED[flavour](folder)
        elsewhere = folder.parent / "elsewhere"
        (folder / FILES[flavour]).rename(elsewhere)
        (folder / FILES[flavour]).symlink_to(elsewhere)

    return change


def cut_off(flavour: str) -> Hostile:
    def change(folder: Path) -> None:
        SAVED[flavour](folder)
        content = (folder / FILES[flavour]).read_bytes()
        (folder / FILES[flavour]).write_bytes(content[: len(content) // 2])

    return change


def aliases(flavour: str) -> Hostile:
    """Have the MLmodel file name a class that is larger than any memory once it is written out."""

    def change(folder: Path) -> None:
        SAVED[flavour](folder)
        text = (folder / "MLmodel").read_text()
        lists = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
        named = text.replace("  python_function:\n", "  python_function:\n    model_class: *a11\n").replace(
            f"  {flavour}:\n", f"  {flavour}:\n    model_class: *a11\n    model_type: *a11\n"
        )
        kept = [line for line in named.splitlines() if not re.match(r"    model_(class|type): [^*]", line)]
        (folder / "MLmodel").write_text("\n".join(["a0: &a0 [x]", *lists, *kept]) + "\n")

    return change


def garbage(flavour: str) -> Hostile:
    def change(folder: Path) -> None:
        SAVED[flavour](folder)
        start = {"xgboost": b"{L", "lightgbm": b"tree\n", "catboost": b"CBM1", "onnx": b"\x08\x08"}[flavour]
        (folder / FILES[flavour]).write_bytes(start + bytes(range(256)) * 20)

    return change
