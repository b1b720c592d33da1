"""A project that the README's reader has made, and its gateway: for the pages whose examples need one."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.command_line import START, NewUser, new_user
from tests.support.waiting import wait_until
from tests.support.warm import WarmProcess


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewUser]:
    """A new project whose version 1 serves."""
    user = new_user(tmp_path_factory.mktemp("docs"))
    user.run("deploy", "tumours", "1")
    log = user.folder / "gateway.log"
    gateway = WarmProcess(START, "gateway", cwd=user.folder, env=user.environment, out=log, err=log)
    try:
        wait_until(lambda: _ready(user), 60)
        yield user
    finally:
        gateway.terminate()
        gateway.wait(timeout=30)


def _ready(user: NewUser) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{user.ports['GATEWAY']}/health/ready").status_code == 200
    except httpx.TransportError:
        return False
