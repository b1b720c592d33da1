"""Which silences a caller may make: one for some endpoints must name one of them exactly."""

from collections.abc import Mapping

from modelops_pipelines.core.errors import ForbiddenError
from modelops_pipelines.gateway.access.keyring import Caller
from modelops_pipelines.operations.alerting.views.silences import is_within


def require_own_endpoint(caller: Caller, matchers: Mapping[str, str]) -> None:
    """Raise ForbiddenError for matchers that can match an alert of an endpoint outside the caller's scope."""
    if is_within(matchers, caller.endpoints):
        return
    scope = ", ".join(sorted(caller.endpoints or ())) or "no endpoint"
    raise ForbiddenError(
        f"{caller.shown} silences alerts of its own endpoints only",
        f"Add the matcher 'endpoint' with one of: {scope}; without * and ?",
    )
