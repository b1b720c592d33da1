"""Sends a message by the library ``apprise``: mail, Slack, Teams, PagerDuty, Telegram and a hundred more, by address.

Each message has a process of its own, with a time limit after which it is killed: the library has none. It takes about
a second, and nothing of the library is loaded here.
"""

import json
import os
import subprocess
import sys
from typing import Any

from modelops_pipelines.channels.outcome import DELIVERED, Outcome, failed
from modelops_pipelines.channels.webhook import Answer, outcome_of

SECONDS = 30.0
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def send_by_apprise(
    url: str, title: str, body: str, form: str, *, allow_private: bool = False, seconds: float = SECONDS
) -> Outcome:
    """Send a message to one address of apprise; the outcome's words name neither the address nor what was answered."""
    given = {"url": url, "title": title, "body": body, "form": form, "allow_private": allow_private}
    command = [sys.executable, "-m", "modelops_pipelines.channels.apprise_process"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(given).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
            env=_environment(allow_private=allow_private),
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return failed(f"apprise has not sent it within {seconds:g} s")
    except (OSError, ValueError):
        return failed("the process that runs apprise ended without an answer")
    return _outcome(answer)


def _outcome(answer: dict[str, Any]) -> Outcome:
    if not answer["is_known"]:
        return failed("apprise does not know this form of address: see its list of services")
    if answer["is_delivered"]:
        return DELIVERED
    if answer["is_refused"]:
        return failed("the address is refused: it is of this machine or of a private network; see 'allow_private'")
    if answer["status"] is not None:
        return outcome_of(Answer(answer["status"]))
    return failed("apprise could not connect" if answer["is_unconnected"] else "apprise could not send it")


def _environment(*, allow_private: bool) -> dict[str, str]:
    """Return the child's variables: without proxies, which would connect in its place wherever an address leads."""
    env = {name: value for name, value in os.environ.items() if allow_private or name.lower() not in _PROXIES}
    return {**env, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
