"""The project as a Dagster resource. A ModelOpsError becomes a Dagster failure."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from modelops_pipelines.core.errors import ModelOpsError, TransientError
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores


class ProjectResource(dg.ConfigurableResource):
    """The stores of the project in ``folder``, by default the current folder."""

    folder: str = ""

    @contextmanager
    def stores(self) -> Iterator[Stores]:
        """Open the project's stores; a ModelOpsError becomes a failure with its remedy as metadata."""
        try:
            yield Stores(load_settings(Path(self.folder) if self.folder else None))
        except ModelOpsError as error:
            raise dg.Failure(
                description=str(error),
                metadata={"remedy": error.remedy},
                allow_retries=isinstance(error, TransientError),
            ) from error
