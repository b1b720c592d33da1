"""Has Dagster's code servers load the endpoints' files again when these have changed."""

import time
from collections.abc import Callable

from modelops_pipelines.platforms.local import LocalPlatform
from modelops_pipelines.platforms.service import RUNNING

LOOK_SECONDS = 2.0
RETRY_SECONDS = 30.0


class CodeReloads:
    """Reloads of one platform's code servers. A reload that fails is tried again until one succeeds."""

    def __init__(self, platform: LocalPlatform, changed: Callable[[], bool], tell: Callable[[str], None]) -> None:
        """Ask ``changed`` now and then whether the configurations in force are other ones than at its last call."""
        self._platform, self._changed, self._tell = platform, changed, tell
        self._due = self._under_way = False
        self._next = 0.0

    def look(self) -> None:
        """Look once: begin a reload that is due, and see how the last one ended. Call it again and again."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + LOOK_SECONDS
        self._due = self._changed() or self._due
        if self._under_way:
            self._see_its_end(now)
        elif self._due and self._code_servers_run() and self._platform.begin_reload():
            self._due, self._under_way = False, True
            self._tell("the endpoints' files have changed: Dagster loads them again")

    def _see_its_end(self, now: float) -> None:
        succeeded = self._platform.reload_succeeded()
        if succeeded is None:
            return
        self._under_way = False
        if not succeeded:
            self._due, self._next = True, now + RETRY_SECONDS

    def _code_servers_run(self) -> bool:
        servers = [service for service in self._platform.services if service.name.startswith("dagster-code")]
        return bool(servers) and all(service.state == RUNNING for service in servers)
