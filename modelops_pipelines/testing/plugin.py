"""The pytest plugin: ``modelops_gateway`` is a gateway of the project's endpoints, in a home that is thrown away."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from modelops_pipelines.testing.throwaway import ThrowawayGateway

PROJECT = "modelops_project"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option with the project's folder."""
    parser.addini(PROJECT, "folder of the modelops project whose endpoints are tested", default=".")


@pytest.fixture(scope="session")
def modelops_gateway(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["ThrowawayGateway"]:
    """Return a running gateway of the project's endpoints: ``deploy`` a model, and ask its ``client``.

    The home, the registry and the state are new and are thrown away; the project's own are not touched, and no message
    is sent to anybody. It starts once a session, on a free port of this machine. Until it ends, variables that
    start with MODELOPS_, MLFLOW_ or DAGSTER_ are taken out of the environment.
    """
    project = pytestconfig.rootpath / str(pytestconfig.getini(PROJECT))
    with _running(project, tmp_path_factory.mktemp("modelops")) as gateway:
        yield gateway


def _running(project: Path, folder: Path) -> AbstractContextManager["ThrowawayGateway"]:
    from modelops_pipelines.testing.throwaway import throwaway_gateway  # heavy: only where the fixture is used

    return throwaway_gateway(project, folder)
