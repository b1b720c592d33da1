"""Versions on trial: verdicts and shadows."""

from modelops_pipelines.client.answers.reading import many, one
from modelops_pipelines.client.answers.releases import Change
from modelops_pipelines.client.answers.result import Listing
from modelops_pipelines.client.answers.trials import Shadow, Trial
from modelops_pipelines.client.connection.call import Call, Retry, body_of
from modelops_pipelines.client.connection.operation import operation

_ENDPOINT = "/endpoints/{endpoint}"
_SHADOW = f"{_ENDPOINT}/shadow"
_UNSENT = Retry.UNSENT


class TrialCalls:
    """Operations on versions that are tried on an endpoint's traffic."""

    @operation
    def trials(self, endpoint: str, *, limit: int = 100) -> Call[Listing[Trial]]:
        """List the verdicts on versions on trial, newest first."""
        return Call("GET", f"{_ENDPOINT}/trials", many(Trial), {"endpoint": endpoint}, {"limit": limit})

    @operation
    def start_shadow(self, endpoint: str, version: str | int, *, share: int = 100, reason: str = "") -> Call[Change]:
        """Have a version answer a share (percent) of the logged requests from now on, unseen by callers."""
        message = body_of({"version": str(version), "share": share, "reason": reason})
        return Call("POST", _SHADOW, one(Change), {"endpoint": endpoint}, content=message, retry=_UNSENT)

    @operation
    def end_shadow(self, endpoint: str, *, reason: str = "") -> Call[Change]:
        """End the endpoint's shadow; its answers stay in the table shadow_log."""
        message, parts = body_of({"reason": reason}), {"endpoint": endpoint}
        return Call("POST", f"{_SHADOW}/end", one(Change), parts, content=message, retry=_UNSENT)

    @operation
    def shadow(self, endpoint: str) -> Call[Shadow]:
        """Compare the answers of the endpoint's shadow, or of its last one, with those that callers received."""
        return Call("GET", _SHADOW, one(Shadow), {"endpoint": endpoint})
