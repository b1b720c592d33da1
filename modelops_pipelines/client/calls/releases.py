"""Deploy, promote, roll back, stop and start; deployments, versions, verdicts, and past states."""

import secrets
from datetime import datetime

from modelops_pipelines.client.answers.reading import many, one
from modelops_pipelines.client.answers.releases import (
    Archiving,
    Change,
    Checklist,
    Deployment,
    Evaluation,
    Event,
    PastState,
    Version,
    VersionTest,
)
from modelops_pipelines.client.answers.result import Listing
from modelops_pipelines.client.connection.call import Call, Retry, body_of
from modelops_pipelines.client.connection.operation import operation

_ENDPOINT = "/endpoints/{endpoint}"
_VERSION = f"{_ENDPOINT}/versions/{{version}}"
_UNSENT = Retry.UNSENT


class ReleaseCalls:
    """Operations that change what is served, which return when every live worker serves it, and their history."""

    @operation
    def deploy(
        self,
        endpoint: str,
        version: str | int,
        *,
        share: int = 100,
        reason: str = "",
        force: bool = False,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Call[Change]:
        """Deploy a version with a share of the traffic in percent. It is done once, however often it is sent.

        A version that replaces the champion needs a passed gate; ``force`` goes past it, with a ``reason`` and the role
        admin. Calls with the same ``idempotency_key`` deploy once; by default each has one of its own. With
        ``dry_run`` nothing changes: the answer's ``sentence`` says what would.
        """
        message = {"version": str(version), "share": share, "reason": reason, "force": force, "dry_run": dry_run}
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        path, parts = f"{_ENDPOINT}/deployments", {"endpoint": endpoint}
        return Call("POST", path, one(Change), parts, content=body_of(message), headers=headers)

    @operation
    def promote(
        self, endpoint: str, version: str | int, *, reason: str = "", force: bool = False, dry_run: bool = False
    ) -> Call[Change]:
        """Promote a version one step towards champion. Requires a passed gate, unless ``force``."""
        message = body_of({"version": str(version), "reason": reason, "force": force, "dry_run": dry_run})
        parts = {"endpoint": endpoint}
        return Call("POST", f"{_ENDPOINT}/promote", one(Change), parts, content=message, retry=_UNSENT)

    @operation
    def roll_back(
        self,
        endpoint: str,
        *,
        to: str | int | None = None,
        reason: str = "",
        undo: bool = False,
        force: bool = False,
        dry_run: bool = False,
    ) -> Call[Change]:
        """Roll back to the previous champion, or to the earlier champion ``to``; or ``undo`` the newest rollback."""
        target = None if to is None else str(to)
        message = {"to": target, "reason": reason, "undo": undo, "force": force, "dry_run": dry_run}
        path, parts = f"{_ENDPOINT}/rollback", {"endpoint": endpoint}
        return Call("POST", path, one(Change), parts, content=body_of(message), retry=_UNSENT)

    @operation
    def stop(self, endpoint: str, *, reason: str = "", dry_run: bool = False) -> Call[Change]:
        """Stop the endpoint: it refuses every prediction until it is started again."""
        message, parts = body_of({"reason": reason, "dry_run": dry_run}), {"endpoint": endpoint}
        return Call("POST", f"{_ENDPOINT}/stop", one(Change), parts, content=message, retry=_UNSENT)

    @operation
    def start(self, endpoint: str, *, reason: str = "", dry_run: bool = False) -> Call[Change]:
        """Start a stopped endpoint again, with the variants that it had."""
        message, parts = body_of({"reason": reason, "dry_run": dry_run}), {"endpoint": endpoint}
        return Call("POST", f"{_ENDPOINT}/start", one(Change), parts, content=message, retry=_UNSENT)

    @operation
    def deployments(
        self, *, status: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> Call[Listing[Deployment]]:
        """List the deployments of the endpoints in the key's scope, newest first."""
        query = {"status": status, "limit": limit, "cursor": cursor}
        return Call("GET", "/deployments", many(Deployment, "items", "next_cursor"), query=query)

    @operation
    def versions(
        self, endpoint: str, *, stage: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> Call[Listing[Version]]:
        """List the versions of the endpoint's model in MLflow, newest first, with their stages."""
        query = {"stage": stage, "limit": limit, "cursor": cursor}
        read = many(Version, "items", "next_cursor")
        return Call("GET", f"{_ENDPOINT}/versions", read, {"endpoint": endpoint}, query)

    @operation
    def archive(self, endpoint: str, version: str | int, *, reason: str = "") -> Call[Archiving]:
        """Archive a version: no endpoint of its model may serve it. Refused while it is live, on trial or a shadow."""
        path, parts = f"{_VERSION}/archive", {"endpoint": endpoint, "version": str(version)}
        return Call("POST", path, one(Archiving), parts, content=body_of({"reason": reason}))

    @operation
    def restore(self, endpoint: str, version: str | int, *, reason: str = "") -> Call[Archiving]:
        """Make an archived version deployable again."""
        path, parts = f"{_VERSION}/restore", {"endpoint": endpoint, "version": str(version)}
        return Call("POST", path, one(Archiving), parts, content=body_of({"reason": reason}))

    @operation
    def version_tests(
        self, endpoint: str, *, version: str | int | None = None, suite: str | None = None, limit: int = 10
    ) -> Call[Listing[VersionTest]]:
        """List the newest runs of the endpoint's suites of stored cases, with the cases that failed; at most 100."""
        query = {"limit": limit, "version": None if version is None else str(version), "suite": suite}
        return Call("GET", f"{_ENDPOINT}/tests", many(VersionTest), {"endpoint": endpoint}, query)

    @operation
    def events(self, endpoint: str, *, limit: int = 100, cursor: str | None = None) -> Call[Listing[Event]]:
        """List the changes of the endpoint, newest first: actor, time, versions, reason and evidence."""
        query, read = {"limit": limit, "cursor": cursor}, many(Event, "items", "next_cursor")
        return Call("GET", f"{_ENDPOINT}/events", read, {"endpoint": endpoint}, query)

    @operation
    def live_at(self, endpoint: str, at: datetime) -> Call[PastState]:
        """Return what the endpoint served at a moment."""
        return Call("GET", f"{_ENDPOINT}/history", one(PastState), {"endpoint": endpoint}, {"at": at})

    @operation
    def checklist(self, endpoint: str, version: str | int | None = None) -> Call[Checklist]:
        """Check what should be so before, during and after the deployment of a version; by default the newest one."""
        query = {"version": None if version is None else str(version)}
        return Call("GET", f"{_ENDPOINT}/checklist", one(Checklist), {"endpoint": endpoint}, query)

    @operation
    def evaluate(self, endpoint: str, version: str | int) -> Call[Evaluation]:
        """Judge a registered version against the champion; returns when the verdict is recorded, in minutes.

        It takes longer than most calls: give the client a ``timeout`` that allows for it.
        """
        path, parts = f"{_ENDPOINT}/evaluations", {"endpoint": endpoint}
        return Call("POST", path, one(Evaluation), parts, content=body_of({"version": str(version)}), retry=_UNSENT)

    @operation
    def evaluations(self, endpoint: str, *, limit: int = 100) -> Call[Listing[Evaluation]]:
        """List the gate's recorded verdicts on the endpoint's versions, newest first."""
        return Call("GET", f"{_ENDPOINT}/evaluations", many(Evaluation), {"endpoint": endpoint}, {"limit": limit})
