"""Keeps the services of a platform running: what ends is started again by itself, with longer and longer pauses.

The services are independent: nothing that happens to one stops another.
"""

import time
from collections.abc import Callable

from modelops_pipelines.platforms.local import LocalPlatform
from modelops_pipelines.platforms.marked_processes import commands_of_children
from modelops_pipelines.platforms.one_up import write_states
from modelops_pipelines.platforms.service import RUNNING, STARTING, WAITING, Service, how_it_ended

SEARCH_SECONDS = 2.0
"""How often the processes that a service started are looked through; that reads all of ``/proc``."""


class Supervisor:
    """Looks after the services of one platform."""

    def __init__(self, platform: LocalPlatform, tell: Callable[[str], None]) -> None:
        """Tell what happens in sentences, and write the states to the home."""
        self._platform, self._home, self._tell = platform, platform.home, tell
        self._had: set[int] = set()
        self._next_search: dict[str, float] = {}
        write_states(self._home, platform.services)

    def look(self) -> None:
        """Look at each service once: note one that has come up, and start one again that has ended and is due."""
        changed = self._platform.renew_warden()
        for service in self._platform.services:
            if service.process.poll() is None and not self._lacks_what_it_needs(service):
                if service.state != RUNNING and service.answers():
                    changed = service.enter(RUNNING) or changed
                continue
            changed = self._start_again(service) or changed
        if all(service.state != STARTING for service in self._platform.services):  # they need the machine more
            for service in self._platform.services:
                self._platform.renew_spare(service)
        if changed:
            write_states(self._home, self._platform.services)

    def _start_again(self, service: Service) -> bool:
        """Start an ended service again when it is due; return whether its state changed."""
        ended = service.state != WAITING
        if ended:
            service.ended_times += 1
            service.last_end = how_it_ended(service.process.returncode)
            service.enter(WAITING)
        if service.restarts.is_due(time.monotonic()):
            self._tell(f"{service.name} ended ({service.last_end}) and is started again; see {service.log}")
            self._platform.start_again(service)
            return service.enter(STARTING)
        if ended:
            pause = f"{service.restarts.pause:.0f} s"
            self._tell(f"{service.name} ended ({service.last_end}); it starts again in {pause}; see {service.log}")
        return ended

    def _lacks_what_it_needs(self, service: Service) -> bool:
        """Return whether a process that the service cannot do without has been there and is gone."""
        now, pid = time.monotonic(), service.process.pid
        if not service.needs or service.state != RUNNING or now < self._next_search.get(service.name, 0.0):
            return False
        self._next_search[service.name] = now + SEARCH_SECONDS
        if any(service.needs in command for command in commands_of_children(pid)):
            self._had.add(pid)
            return False
        return pid in self._had
