"""The parameters of a version's signature: what a request's ``params`` may hold, and what is refused."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelops_pipelines.core.errors import InputError, ModelError
from modelops_pipelines.store.registry.model_loader import describe_files

Params = Mapping[str, Any]
_LONGEST = 60


@dataclass(frozen=True)
class Parameters:
    """The declared parameters, MLflow's ``ParamSpec`` each; none where the signature has none."""

    declared: Sequence[Any] = ()

    def check(self, given: object, ignored: Collection[str] = ()) -> Params | None:
        """Return a request's parameters as they were sent, None when it has none; raises InputError that names one.

        ``ignored`` are names that mean something else where the signature does not declare them. MLflow converts the
        values and adds the defaults of those that are missing, when the version predicts.
        """
        if isinstance(given, dict):
            declared = {spec.name for spec in self.declared}
            given = {name: value for name, value in given.items() if name in declared or name not in ignored}
        if given is None or given == {}:
            return None
        if not isinstance(given, dict):
            raise InputError("'params' is not an object", 'Send parameters by their names: {"params": {"name": 1.0}}')
        if not self.declared:
            raise InputError(
                f"The version takes no parameters, and the request has {', '.join(map(repr, _shortened(given)))}",
                "Leave 'params' out, or deploy a version logged with signature=infer_signature(..., params={...})",
            )
        by_name = {spec.name: spec for spec in self.declared}
        unknown = [name for name in given if name not in by_name]
        if unknown:
            names = ", ".join(map(repr, _shortened(unknown)))
            raise InputError(f"The version has no parameter {names}", f"It takes {self.described}")
        for name, value in given.items():
            self._check_value(by_name[name], value)
        return given

    @property
    def described(self) -> str:
        """The parameters with their types and defaults, in words; "none" where there are none."""
        return (
            ", ".join(f"{spec.name} ({_type_of(spec)}, default {spec.default!r})" for spec in self.declared) or "none"
        )

    def _check_value(self, spec: Any, value: Any) -> None:
        from mlflow.exceptions import MlflowException

        try:
            type(spec).validate_param_spec(value, spec)
        except (MlflowException, ValueError, TypeError, OverflowError) as error:
            raise InputError(
                f"The parameter {spec.name!r} is {repr(value)[:_LONGEST]}, not of type {_type_of(spec)}",
                f"The version takes {self.described}",
            ) from error


def parameters_of(folder: Path) -> Parameters:
    """Return the parameters that a version's MLmodel file declares; raises ModelError where they are malformed."""
    signature = describe_files(folder).get("signature")
    declared = signature.get("params") if isinstance(signature, dict) else None
    if not declared:
        return Parameters()
    from mlflow.exceptions import MlflowException
    from mlflow.types.schema import ParamSchema

    try:
        return Parameters(tuple(ParamSchema.from_json(declared).params))
    except (MlflowException, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"The signature's parameters in {folder} cannot be read ({type(error).__name__})",
            "Log the model again with signature=infer_signature(inputs, predictions, params={...})",
        ) from error


def _shortened(names: Any) -> list[str]:
    return [str(name)[:_LONGEST] for name in names][:10]


def _type_of(spec: Any) -> str:
    name = getattr(spec.dtype, "name", "object")
    return f"list of {name}" if spec.shape is not None else str(name)
