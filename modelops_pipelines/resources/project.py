"""The project as a Dagster resource. An error becomes a Dagster failure, which quotes no values of rows.

Dagster keeps the text of an exception and of its causes in its own database, which no erasure reaches.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from modelops_pipelines.core.errors import ModelOpsError, TransientError
from modelops_pipelines.core.foreign_text import error_text, quoted
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores


class ProjectResource(dg.ConfigurableResource):
    """The stores of the project in ``folder``, by default the current folder."""

    folder: str = ""

    @contextmanager
    def stores(self) -> Iterator[Stores]:
        """Open the project's stores; an error becomes a failure, one of ours with its remedy as metadata."""
        with as_failure():
            yield Stores(load_settings(Path(self.folder) if self.folder else None))


@contextmanager
def as_failure() -> Iterator[None]:
    """Have an error of the block be a failure that Dagster may keep."""
    try:
        yield
    except ModelOpsError as error:
        raise dg.Failure(
            description=str(error),
            metadata={"remedy": error.remedy},
            allow_retries=isinstance(error, TransientError),
        ) from (quoted(error.__cause__) if error.__cause__ else None)
    except dg.Failure:
        raise
    except Exception as error:  # noqa: BLE001 - any error may quote values
        raise dg.Failure(description=error_text(error)) from quoted(error)
