"""Files of the data formats as an attacker makes them: nothing executes, nothing loads, and each is refused by its cause."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.operations.models.isolated_model import load_model as load_apart
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.registry.model_loader import describe_files, load_model, needs_own_process, why_unsafe
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes import hostile_formats as hostile
from tests.fakes.hostile_models import MARKER
from tests.support.audit_events import heard

SPEC = EndpointSpec("hostile", "hostile", "binary_classification", "outcome")
FLAVOURS = tuple(hostile.FILES)
_TOUCHING = ("exec", "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "pickle.find_class")


def _executes(event: str, arguments: tuple[Any, ...]) -> bool:
    return event in _TOUCHING or (event == "import" and "evil" in str(arguments))


@pytest.fixture(autouse=True)
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(MARKER, str(tmp_path / "executed"))
    return tmp_path / "executed"


UNFIT: dict[str, tuple[hostile.Hostile, str]] = {
    **{f"{name}_pickle": (hostile.a_pickle(name), f"its file {hostile.FILES[name]} is not in") for name in FLAVOURS},
    **{f"{name}_code": (hostile.code(name), "it contains its own code") for name in FLAVOURS},
    **{f"{name}_above": (hostile.outside(name), f"its file '../{hostile.FILES[name]}' is not one of") for name in FLAVOURS},
    **{
        f"{name}_key": (hostile.keys(name, hook="os.system"), "it sets hook, which may not be safe") for name in FLAVOURS
    },
    **{
        f"{name}_loader": (hostile.keys(name, loader_module="evil"), "its format can execute code when it is loaded")
        for name in FLAVOURS
    },
    "xgboost_class": (hostile.keys("xgboost", model_class="os.system"), "its class 'os.system' is none of XGBoost's"),
    "xgboost_module": (hostile.keys("xgboost", model_class="evil.XGBClassifier"), "is none of XGBoost's"),
    "lightgbm_class": (hostile.keys("lightgbm", model_class="os.system"), "stored as an object that can execute code"),
    "catboost_class": (hostile.keys("catboost", model_type="os.system"), "its class 'os.system' is none of CatBoost's"),
    "catboost_format": (hostile.keys("catboost", save_format="python"), "in the format 'python', not in cbm"),
    "lightgbm_cut_off": (hostile.cut_off("lightgbm"), "is cut off, or its trees are not where it says"),
    "lightgbm_garbage": (hostile.garbage("lightgbm"), "is cut off, or its trees are not where it says"),
    "lightgbm_features": (hostile.lightgbm_features, "declares max_feature_idx='2000000000'"),
    "lightgbm_trees": (hostile.lightgbm_trees_elsewhere, "its trees are not where it says"),
    "catboost_cut_off": (hostile.cut_off("catboost"), "is cut off: it declares more than it holds"),
    "catboost_garbage": (hostile.garbage("catboost"), "is cut off: it declares more than it holds"),
    "catboost_size": (hostile.catboost_size, "is cut off: it declares more than it holds"),
    "onnx_cut_off": (hostile.cut_off("onnx"), "is not in ONNX format, or is cut off"),
    "onnx_garbage": (hostile.garbage("onnx"), "is not in ONNX format, or is cut off"),
    "onnx_operator": (hostile.onnx_operator, "it uses the operator 'Shell' of the domain 'evil.ops'"),
    "onnx_operator_deep": (hostile.onnx_operator_deep, "it uses the operator 'Shell' of the domain 'evil.ops'"),
    "onnx_dimensions": (hostile.onnx_dimensions, "it declares a tensor of 1099511627776 elements"),
    "onnx_option": (hostile.onnx_option, "it sets options of onnxruntime's session that may not be safe"),
    "onnx_above": (lambda folder: hostile.onnx_external(folder, "../secret"), "in other places than its folder"),
    "onnx_absolute": (lambda folder: hostile.onnx_external(folder, "/etc/passwd"), "in other places than its folder"),
    "onnx_memory": (
        lambda folder: hostile.onnx_external(folder, "*/_ORT_MEM_ADDR_/*"), "in other places than its folder"
    ),
    "onnx_hidden": (hostile.onnx_hidden, "is not in ONNX format, or is cut off (a field without a number, or with one"),
    "onnx_missing": (lambda folder: hostile.onnx_external(folder, "more.bin"), "is not there, or is no regular file"),
    "onnx_too_long": (
        lambda folder: hostile.onnx_external(folder, "MLmodel", str(2**50), 2**20), "do not fit into their file 'MLmodel'"
    ),
    "onnx_too_many": (
        lambda folder: hostile.onnx_external(folder, "MLmodel", "16", 2**40), "do not fit into their file 'MLmodel'"
    ),
}  # fmt: skip
UNREADABLE: dict[str, tuple[hostile.Hostile, str]] = {
    "xgboost_cut_off": (hostile.cut_off("xgboost"), "is damaged|XGBoostError"),
    "xgboost_garbage": (hostile.garbage("xgboost"), "is damaged|XGBoostError"),
    "xgboost_array": (hostile.xgboost_array, "XGBoostError"),
    "xgboost_features": (hostile.xgboost_features, "model.json declares num_feature=4000000000"),
}
"""What only the library can tell: the rest of its file is not read here."""


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_not_plain_data_is_refused_by_its_cause_before_any_library_reads_it(
    tmp_path: Path, marker: Path, name: str
) -> None:
    make, cause = UNFIT[name]
    make(tmp_path / "model")
    version = version_in(tmp_path / "model")
    with heard(_executes) as found, pytest.raises(ModelError) as refused:
        load_model(version, SPEC)
    assert cause in refused.value.message
    assert f"'accept_pickles: [{version.files_hash}]'" in refused.value.remedy
    assert ([], False) == (found, marker.exists())
    assert needs_own_process(version, SPEC)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_description_that_is_larger_than_memory_once_it_is_written_out_is_refused_unread(
    tmp_path: Path, flavour: str
) -> None:
    hostile.aliases(flavour)(tmp_path / "model")
    version = version_in(tmp_path / "model")
    for judge in (needs_own_process, load_model):
        with pytest.raises(ModelError, match="is over 4 MiB when its aliases are written out"):
            judge(version, SPEC)


def test_an_alias_that_an_ordinary_description_has_is_fine(tmp_path: Path) -> None:
    hostile.SAVED["xgboost"](tmp_path / "model")
    path = tmp_path / "model" / "MLmodel"
    path.write_text(f"more: &more [1, 2]\nagain: {{a: *more, b: *more}}\n{path.read_text()}")
    assert [1, 2] == describe_files(tmp_path / "model")["again"]["b"]
    path.write_text(f"circle: &circle [1, *circle]\n{path.read_text()}")
    with pytest.raises(ModelError, match="is over 4 MiB when its aliases are written out"):
        describe_files(tmp_path / "model")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_link_to_a_file_elsewhere_is_refused(tmp_path: Path, flavour: str) -> None:
    hostile.linked(flavour)(tmp_path / "model")
    with pytest.raises(ModelError, match="is a link to a path outside the folder"):
        load_model(version_in(tmp_path / "model", files_hash=None), SPEC)
    reason = why_unsafe(describe_files(tmp_path / "model"), tmp_path / "model")
    assert f"its file {hostile.FILES[flavour]} is not there, or is no regular file" == reason


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_only_its_library_can_tell_is_refused_by_the_process_that_reads_it_or_with_its_end(
    tmp_path: Path, marker: Path, name: str
) -> None:
    make, cause = UNREADABLE[name]
    make(tmp_path / "model")
    with pytest.raises(ModelError, match=rf"cannot be loaded \(.*({cause}|its process ended \(SIG)") as refused:
        load_apart(version_in(tmp_path / "model"), SPEC)
    assert len(refused.value.message) < 450
    assert not marker.exists()


def test_a_file_that_crashes_its_library_ends_only_the_process_that_reads_it(tmp_path: Path) -> None:
    from tests.fakes.data_formats import TRAINING

    hostile.xgboost_children_outside(tmp_path / "model")
    model = load_apart(version_in(tmp_path / "model"), SPEC)
    with pytest.raises(ChildProcessError, match=r"its process ended \(SIGSEGV\)"):
        model.predict(TRAINING.head(3))


def test_bytes_of_an_onnx_model_may_be_in_a_file_beside_it(tmp_path: Path) -> None:
    import numpy as np

    from tests.fakes.data_formats import TRAINING, answers_of, onnx_beside

    onnx_beside(tmp_path / "model")
    written = {"MLmodel", "conda.yaml", "model.onnx", "python_env.yaml", "requirements.txt"}
    assert len({path.name for path in (tmp_path / "model").iterdir()} - written) == 1
    model = load_model(version_in(tmp_path / "model"), SPEC)
    assert np.array_equal(answers_of(tmp_path / "model", TRAINING), model.predict(TRAINING))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_each_format_is_data_as_mlflow_saves_it_so_the_refusals_are_worth_something(
    tmp_path: Path, flavour: str
) -> None:
    hostile.SAVED[flavour](tmp_path / "model")
    assert why_unsafe(describe_files(tmp_path / "model"), tmp_path / "model") is None
    load_model(version_in(tmp_path / "model"), SPEC, data_only=True)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_extra_is_named_where_a_library_is_missing(
    tmp_path: Path, flavour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile.SAVED[flavour](tmp_path / "model")
    monkeypatch.setitem(sys.modules, "onnxruntime" if flavour == "onnx" else flavour, None)
    with pytest.raises(ModelError) as refused:
        load_model(version_in(tmp_path / "model"), SPEC)
    assert f"pip install 'modelops_pipelines[{flavour}]'" in refused.value.remedy


def version_in(folder: Path, **more: Any) -> ModelVersion:
    inputs = {"x": "float", "z": "float"}
    given = {"files_hash": None if "files_hash" in more else hash_files(folder), **more}
    return ModelVersion(
        "hostile", "1", str(folder), inputs, None, None, None, datetime(2026, 1, 1, tzinfo=UTC), **given
    )
