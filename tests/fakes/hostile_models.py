"""Models as an attacker makes them: each leaves a folder of a good model in a shape that runs code, or tries to.

What runs makes the folder named MARKER in the environment: a refused model has executed nothing if there is none.
"""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import skops.io
import yaml

MARKER = "MODELOPS_TEST_MARKER"
EVIL = f"import os\nos.makedirs(os.environ[{MARKER!r}], exist_ok=True)\n"
Tamper = Callable[[Path], None]


class Payload:
    """What makes the marker when a pickle of it is loaded."""

    def __reduce__(self) -> Any:
        return exec, (EVIL,)


class Eager:
    """What makes the marker when skops restores it, which tells no pickle from data."""

    def __init__(self) -> None:
        self.attribute = 1

    def __setstate__(self, _state: object) -> None:
        make_marker()


def make_marker() -> None:
    """Show that code was executed."""
    Path(os.environ[MARKER]).mkdir(exist_ok=True)


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the MLmodel file as data."""
    described = yaml.safe_load((folder / "MLmodel").read_text())
    change(described)
    (folder / "MLmodel").write_text(yaml.safe_dump(described))


def function(folder: Path, **keys: Any) -> None:
    """Set keys of the flavour that MLflow loads by."""
    edit(folder, lambda described: described["flavors"]["python_function"].update(keys))


def sklearn(folder: Path, **keys: Any) -> None:
    """Set keys of scikit-learn's flavour."""
    edit(folder, lambda described: described["flavors"]["sklearn"].update(keys))


def a_pickle(folder: Path) -> None:
    """Be an ordinary scikit-learn model in pickle format."""
    (folder / "model.pkl").write_bytes(pickle.dumps(Payload()))
    function(folder, model_path="model.pkl")
    sklearn(folder, pickled_model="model.pkl", serialization_format="pickle")


def a_cloudpickle(folder: Path) -> None:
    """Be an ordinary scikit-learn model in cloudpickle format."""
    (folder / "model.pkl").write_bytes(cloudpickle.dumps(Payload()))
    function(folder, model_path="model.pkl")
    sklearn(folder, pickled_model="model.pkl", serialization_format="cloudpickle")


def a_pyfunc(folder: Path) -> None:
    """Be an ordinary model of Python code."""
    (folder / "python_model.pkl").write_bytes(cloudpickle.dumps(Payload()))
    keys = {"python_model": "python_model.pkl", "cloudpickle_version": cloudpickle.__version__}
    edit(folder, lambda described: described.update(flavors={"python_function": _loader("mlflow.pyfunc.model", keys)}))


def a_script(folder: Path) -> None:
    """Be an ordinary model from code, which MLflow executes to get the model."""
    (folder / "script.py").write_text(EVIL)
    keys = {"model_code_path": "script.py", "streamable": False}
    edit(folder, lambda described: described.update(flavors={"python_function": _loader("mlflow.pyfunc.model", keys)}))


def a_loader_of_its_own(folder: Path) -> None:
    """Be loaded by a module that comes along."""
    (folder / "code").mkdir()
    (folder / "code" / "evil_loader.py").write_text(EVIL + "def _load_pyfunc(path): ...\n")
    function(folder, loader_module="evil_loader", code="code")


def code_that_comes_along(folder: Path) -> None:
    """Put a module first on the path that the right loader imports: the skops file is untouched."""
    (folder / "code" / "skops").mkdir(parents=True)
    (folder / "code" / "skops" / "__init__.py").write_text(EVIL)
    function(folder, code="code")


def data_elsewhere(folder: Path) -> None:
    """Point the generic flavour at a folder within, whose own MLmodel file says pickle."""
    inner = folder / "inner"
    inner.mkdir()
    (inner / "MLmodel").write_text((folder / "MLmodel").read_text())
    a_pickle(inner)
    function(folder, data="inner")


def another_file(folder: Path) -> None:
    """Name a skops file for the one flavour and a pickle for the other."""
    (folder / "evil.pkl").write_bytes(pickle.dumps(Payload()))
    function(folder, model_path="evil.pkl")
    sklearn(folder, serialization_format="pickle")


def a_file_above(folder: Path) -> None:
    """Point at a skops file outside of the folder, which no hash covers."""
    _dump(folder.parent / "evil.skops", Eager())
    function(folder, model_path="../evil.skops")


def skops_of_an_untrusted_type(folder: Path) -> None:
    """Hold a type that executes, and hope."""
    _dump(folder / "model.skops", Eager())


def skops_vouching_for_itself(folder: Path) -> None:
    """Hold a type that executes, and ask to trust it."""
    _dump(folder / "model.skops", Eager())
    sklearn(folder, skops_trusted_types=["tests.fakes.hostile_models.Eager"])


def skops_vouching_by_one_long_name(folder: Path) -> None:
    """Hold a type that executes, in a list that is a text: a type is a part of it."""
    _dump(folder / "model.skops", Eager())
    sklearn(folder, skops_trusted_types="numpy.dtype tests.fakes.hostile_models.Eager")


def skops_of_a_function(folder: Path) -> None:
    """Hold a scikit-learn estimator that calls any function when it predicts."""
    from sklearn.preprocessing import FunctionTransformer

    _dump(folder / "model.skops", FunctionTransformer(func=os.system))


def skops_of_files(folder: Path) -> None:
    """Hold a scikit-learn estimator that answers with the words of any file that a caller names."""
    from sklearn.feature_extraction.text import CountVectorizer

    _dump(folder / "model.skops", CountVectorizer(input="filename").fit([str(folder / "MLmodel")]))


def a_pickle_named_skops(folder: Path) -> None:
    """Be a pickle in the skops file's place."""
    (folder / "model.skops").write_bytes(pickle.dumps(Payload()))


def a_format_that_is_not_said(folder: Path) -> None:
    """Leave the format out: MLflow then takes it for a pickle."""
    (folder / "model.skops").write_bytes(pickle.dumps(Payload()))
    edit(folder, lambda described: described["flavors"]["sklearn"].pop("serialization_format"))


def no_flavour_of_its_own(folder: Path) -> None:
    """Leave scikit-learn's flavour out: MLflow then takes the file for a pickle."""
    (folder / "model.skops").write_bytes(pickle.dumps(Payload()))
    edit(folder, lambda described: described["flavors"].pop("sklearn"))


def a_model_config(folder: Path) -> None:
    """Bring a configuration, which MLflow hands to the loader."""
    function(folder, config={"path": "evil.py"})


def a_stream(folder: Path) -> None:
    """Name another method as the one that answers, and one that streams."""
    function(folder, streamable=True, predict_stream_fn="get_raw_model")


def another_method(folder: Path) -> None:
    """Name another method as the one that answers."""
    function(folder, predict_fn="get_raw_model")


def an_example_elsewhere(folder: Path) -> None:
    """Name a device as the input example: who reads it never ends."""
    edit(folder, lambda described: described["saved_input_example_info"].update(artifact_path="../../../../dev/zero"))


def flavours_that_are_none(folder: Path) -> None:
    """Say nonsense in the place of the flavours."""
    edit(folder, lambda described: described.update(flavors=["python_function", "sklearn"]))


def an_mlmodel_that_calls(folder: Path) -> None:
    """Let whoever reads the MLmodel file with a full loader call a function."""
    with (folder / "MLmodel").open("a") as opened:
        opened.write(f"evil: !!python/object/apply:builtins.exec [{EVIL!r}]\n")


def an_mlmodel_without_end(folder: Path) -> None:
    """Nest deeper than anybody can read."""
    (folder / "MLmodel").write_text("[" * 20_000)


def classes_that_are_none(folder: Path) -> None:
    """Say nonsense in the place of the classes."""
    edit(folder, lambda described: described["metadata"].update(classes={"0": "no"}))


def a_signature_that_is_none(folder: Path) -> None:
    """Say nonsense in the place of the signature."""
    edit(folder, lambda described: described["signature"].update(inputs="[1, 2"))


def a_link_outside(folder: Path) -> None:
    """Be a link to a pickle that changes whenever its owner likes."""
    outside = folder.parent / "outside.pkl"
    outside.write_bytes(pickle.dumps(Payload()))
    (folder / "model.skops").unlink()
    (folder / "model.skops").symlink_to(outside)


def a_link_to_a_folder(folder: Path) -> None:
    """Hide files behind a link to a folder."""
    (folder.parent / "hidden").mkdir(exist_ok=True)
    (folder / "code").symlink_to(folder.parent / "hidden")


def a_pipe(folder: Path) -> None:
    """Hold a pipe: who reads it waits for ever."""
    os.mkfifo(folder / "pipe")


def an_environment(folder: Path) -> None:
    """Ask for packages from elsewhere, and for files that never end."""
    (folder / "requirements.txt").write_text("-r /dev/zero\n--find-links http://127.0.0.1:9/evil\n-e ./evil\n")
    (folder / "conda.yaml").write_text(f"dependencies: !!python/object/apply:builtins.exec [{EVIL!r}]\n")
    (folder / "setup.py").write_text(EVIL)
    (folder / "sitecustomize.py").write_text(EVIL)
    function(folder, env={"conda": "../evil.yaml", "virtualenv": "http://127.0.0.1:9/evil"})


def an_example_that_is_a_pickle(folder: Path) -> None:
    """Be a pickle in the example's place."""
    (folder / "input_example.json").write_bytes(pickle.dumps(Payload()))


def a_file_of_mlflows_name(folder: Path) -> None:
    """Be what MLflow adds by itself, and is not hashed."""
    (folder / "registered_model_meta").write_text(f"!!python/object/apply:builtins.exec [{EVIL!r}]\n")


LIVE: dict[Tamper, str] = {
    a_pickle: "its format can execute code",
    a_cloudpickle: "its format can execute code",
    a_pyfunc: "its format can execute code",
    a_script: "its format can execute code",
    a_loader_of_its_own: "its format can execute code",
    code_that_comes_along: "it contains its own code",
    data_elsewhere: "it refers to files in other places",
    another_file: "its format can execute code",
    skops_vouching_for_itself: "it contains untrusted types: tests.fakes.hostile_models.Eager",
    a_format_that_is_not_said: "its format can execute code",
    no_flavour_of_its_own: "its format can execute code",
}
"""What does run code where it is accepted, with the reason of its refusal."""

INERT: dict[Tamper, str] = {
    a_file_above: "it refers to files in other places",
    skops_of_an_untrusted_type: "it contains tests.fakes.hostile_models.Eager, which may touch files",
    skops_of_a_function: "FunctionTransformer has func=posix.system, which may touch what is outside",
    skops_of_files: 'CountVectorizer has input="filename", which may touch what is outside',
    skops_vouching_by_one_long_name: "its list of trusted types is not a list of names",
    a_pickle_named_skops: "its skops file cannot be judged (BadZipFile)",
    a_model_config: "it sets config, which may not be safe",
    a_stream: "it sets predict_stream_fn, streamable, which may not be safe",
    another_method: "it predicts by a method that is not scikit-learn's",
    an_example_elsewhere: "it refers to files in other places",
}
"""What is refused when it is loaded, although it would not run code as it is."""

UNRECORDED: dict[Tamper, str] = {
    an_mlmodel_that_calls: "no readable MLmodel file (ConstructorError)",
    an_mlmodel_without_end: "no readable MLmodel file (RecursionError)",
    classes_that_are_none: "has a malformed MLmodel file (TypeError)",
    flavours_that_are_none: "has a malformed MLmodel file (AttributeError)",
    a_signature_that_is_none: "has a malformed MLmodel file (JSONDecodeError)",
    a_link_outside: "model.skops is a link to a path outside the folder",
    a_link_to_a_folder: "code is a link to a folder",
    a_pipe: "pipe is not a regular file",
}
"""What is refused already when it is recorded."""

HARMLESS: tuple[Tamper, ...] = (an_environment, an_example_that_is_a_pickle, a_file_of_mlflows_name)
"""What nothing reads, or reads as data only."""


def _loader(module: str, keys: dict[str, Any]) -> dict[str, Any]:
    return {"loader_module": module, "python_version": "3.11.7", **keys}


def _dump(path: Path, model: Any) -> None:
    path.write_bytes(skops.io.dumps(model))
