"""What ``dg scaffold defs modelops_pipelines.ModelEndpoint NAME`` writes: the fewest keys of an endpoint that work."""

import re
from contextlib import suppress
from typing import Any

import click
import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from modelops_pipelines.core.endpoints.spec import TASKS
from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.operations.endpoints.load import endpoint_from_attributes

_NOT_IN_NAMES = re.compile(r"[^a-z0-9_]+")


class EndpointParams(BaseModel):
    """What the command may be told; the endpoint's name is that of its folder."""

    model_config = ConfigDict(protected_namespaces=(), extra="forbid")

    model_name: str = Field("", description="The name of the registered model; by default the endpoint's.")
    task: str = Field(TASKS[0], description=f"One of {', '.join(TASKS)}.")
    label: str = Field("outcome", description="The column that holds the true outcome.")
    trainer: str = Field("", description="The function that trains versions, as module:function; by default none.")


class EndpointScaffolder(dg.Scaffolder[EndpointParams]):
    """Writes an endpoint's YAML, checked as any other."""

    @classmethod
    def get_scaffold_params(cls) -> type[EndpointParams]:
        """Return the command's parameters."""
        return EndpointParams

    def scaffold(self, request: dg.ScaffoldRequest[EndpointParams]) -> None:
        """Write the file; raises ClickException, and leaves no folder, for values that are refused."""
        attributes = _attributes(request.target_path.name, request.params)
        try:
            endpoint_from_attributes(attributes, "defs.yaml")
        except OnboardingError as error:
            with suppress(OSError):  # a folder with something in it is somebody's
                request.target_path.rmdir()
            faults = "\n".join(f"{one.culprit}: {one.problem}. {one.fix}" for one in error.faults)
            raise click.ClickException(faults) from error
        dg.scaffold_component(request, attributes)


def _attributes(folder: str, params: EndpointParams) -> dict[str, Any]:
    name = _NOT_IN_NAMES.sub("_", folder.lower()).strip("_")
    given = {"name": name, "model_name": params.model_name or name, "task": params.task, "label": params.label}
    return {**given, **({"trainer": params.trainer} if params.trainer else {})}
