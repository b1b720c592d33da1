"""Tells who may operate an endpoint why a version of its model is refused.

Elsewhere such errors stay in the gateway's log, for they may quote a model. Whoever may deploy can read the same reason
in ``GET /deployments``; one that is refused before a deployment is recorded would have it nowhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from modelops_pipelines.core.errors import ModelError, RefusedVersionError, SchemaError, UnservedVersionError


@contextmanager
def telling_why() -> Iterator[None]:
    """Raise RefusedVersionError, with the reason, for a version that cannot be served or judged as it is."""
    try:
        yield
    except (ModelError, SchemaError, UnservedVersionError) as error:
        raise RefusedVersionError(error.message, error.remedy) from error
