"""What a format of data-only models consists of, and the part of its check that all formats share.

The library that reads the file is native code, so each of these models answers in a process of its own; see
docs/decisions/0055.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from modelops_pipelines.store.registry.formats.mlmodel_flavors import FUNCTION, flavor, mapping

EXAMPLE_FILE = "input_example.json"
Described = dict[str, Any]
_FUNCTION_KEYS = frozenset({"code", "data", "env", "loader_module", "python_version"})
_OWN_KEYS = frozenset({"code", "data", "extra_files"})
MOST_COLUMNS = 1_000_000
"""The most features, or classes, that a file may declare: libraries set memory aside for as many."""
_LONGEST_QUOTE = 80


class Answering(Protocol):
    """A model in memory, as MLflow's pyfunc takes it."""

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return the answer to a DataFrame of the signature's columns."""

    def get_raw_model(self) -> Any:
        """Return the library's own model; it has ``classes_`` where the file says which classes there are."""


@dataclass(frozen=True)
class DataFormat:
    """One format: ``name`` is MLflow's flavour, the library, and the extra that installs it.

    ``keys`` are the flavour's own keys, ``files`` the names of a file that holds the model. ``why_other`` says why the
    flavour's values are not accepted, and ``why_unfit`` the same of the file, as far as it can be read without the
    library. ``load`` reads the file of a folder that has been judged; it raises what the library raises. ``remedy``
    says how to log such a model so that it is accepted.
    """

    name: str
    library: str
    keys: frozenset[str]
    files: frozenset[str]
    why_other: Callable[[Mapping[Any, Any]], str | None]
    why_unfit: Callable[[Path], str | None]
    load: Callable[[Mapping[Any, Any], Path], Answering]
    remedy: str

    def fits(self, described: Described) -> bool:
        """Return whether MLflow would load this model by this flavour."""
        return bool(flavor(described, FUNCTION).get("loader_module") == f"mlflow.{self.name}")

    def why_unsafe(self, described: Described, folder: Path) -> str | None:
        """Return why a model that fits is not accepted as data; None where it is."""
        function, own = flavor(described, FUNCTION), flavor(described, self.name)
        if function.get("code") or own.get("code"):
            return "it contains its own code"
        unknown = [*(set(function) - _FUNCTION_KEYS), *(set(own) - _OWN_KEYS - self.keys)]
        if unknown:
            return f"it sets {', '.join(sorted(map(str, unknown)))[:500]}, which may not be safe"
        example = mapping(described.get("saved_input_example_info") or {"artifact_path": EXAMPLE_FILE})
        named = own.get("data", function.get("data"))
        if named != function.get("data") or example.get("artifact_path") != EXAMPLE_FILE:
            return "it refers to files in other places"
        return self.why_other(own) or self._why_unfit(folder, named)

    def _why_unfit(self, folder: Path, named: Any) -> str | None:
        if not isinstance(named, str) or named not in self.files:
            return f"its file {quoted(named)} is not one of {', '.join(sorted(self.files))}"
        file = folder / named
        if file.is_symlink() or not file.is_file():
            return f"its file {named} is not there, or is no regular file"
        return self.why_unfit(file)

    def answering(self, described: Described, folder: Path) -> Any:
        """Return the model of a folder that has been judged as MLflow's pyfunc model, without MLflow's own loader."""
        from mlflow.models import Model
        from mlflow.pyfunc import PyFuncModel

        own = flavor(described, self.name)
        model = self.load(own, folder / str(flavor(described, FUNCTION)["data"]))
        return PyFuncModel(model_meta=Model.load(str(folder)), model_impl=model)


def beginning(file: Path, size: int = 64) -> bytes:
    """Return the first bytes of a file."""
    with file.open("rb") as opened:
        return opened.read(size)


def quoted(value: Any) -> str:
    """Return a value from the MLmodel file for a message: it is a stranger's, so it is short and printable."""
    return ascii(value)[:_LONGEST_QUOTE]
