"""Versions on trial: verdicts, shadows and A/B tests."""

from modelops_pipelines.client.answers.reading import many, one
from modelops_pipelines.client.answers.releases import Change
from modelops_pipelines.client.answers.result import Listing
from modelops_pipelines.client.answers.trials import AbTest, AbTestDetails, Shadow, Trial
from modelops_pipelines.client.connection.call import Call, Retry, body_of
from modelops_pipelines.client.connection.operation import operation

_ENDPOINT = "/endpoints/{endpoint}"
_SHADOW, _AB_TESTS = f"{_ENDPOINT}/shadow", f"{_ENDPOINT}/ab-tests"
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

    @operation
    def start_ab_test(
        self,
        endpoint: str,
        version: str | int,
        *,
        name: str,
        share: int = 50,
        error_rate: float = 0.05,
        planned: int = 10_000,
        reason: str = "",
    ) -> Call[Change]:
        """Have a version answer a share (percent) of the callers until the test ends.

        ``error_rate`` is the probability of ever finding a difference between equal versions, ``planned`` how many
        labelled callers the interval is narrowest at. Started again under the same name, it is the same test.
        """
        terms = {"name": name, "share": share, "error_rate": float(error_rate), "planned": planned}
        message = body_of({"version": str(version), **terms, "reason": reason})
        return Call("POST", _AB_TESTS, one(Change), {"endpoint": endpoint}, content=message, retry=_UNSENT)

    @operation
    def ab_tests(self, endpoint: str, *, limit: int = 100) -> Call[Listing[AbTest]]:
        """List the endpoint's A/B tests, newest first, without their results."""
        return Call("GET", _AB_TESTS, many(AbTest), {"endpoint": endpoint}, {"limit": limit})

    @operation
    def ab_test(self, endpoint: str, name: str) -> Call[AbTestDetails]:
        """Return an A/B test with its result so far. Its error rate holds however often you look."""
        return Call("GET", f"{_AB_TESTS}/{{name}}", one(AbTestDetails), {"endpoint": endpoint, "name": name})

    @operation
    def end_ab_test(
        self, endpoint: str, name: str, decision: str, *, reason: str = "", force: bool = False
    ) -> Call[Change]:
        """End the test: ``promote`` the challenger, which needs a passed gate too, or ``keep`` the champion."""
        message, parts = {"decision": decision, "reason": reason, "force": force}, {"endpoint": endpoint, "name": name}
        path = f"{_AB_TESTS}/{{name}}/end"
        return Call("POST", path, one(Change), parts, content=body_of(message), retry=_UNSENT)
