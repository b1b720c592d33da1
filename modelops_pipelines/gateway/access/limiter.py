"""How many requests are let in: per key, per user, per endpoint, and for the whole gateway.

Each of N workers counts in its memory and admits its part of every rate. With a Redis server the workers share each
rate exactly; while that server is away they go by their parts, and no prediction fails for it. What is counted is
``quotas``; how Redis counts is ``shared_quotas``.
"""

import time
from collections.abc import Callable, Sequence

from modelops_pipelines.core.access.rates import Rate, parse_rates
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import LimitError
from modelops_pipelines.gateway.access.redis_quotas import Asked, SharedQuotas
from modelops_pipelines.gateway.access.sliding_windows import NANO, Quota, Scope

_SETTINGS = {
    "key": "'limits: {per_key: ...}' in the endpoint's YAML",
    "user": "'limits: {per_user: ...}' in the endpoint's YAML",
    "endpoint": "'limits: {endpoint: ...}' in the endpoint's YAML",
    "gateway": "MODELOPS_GLOBAL_LIMIT",
}


class Limiter:
    """Lets requests in or raises LimitError; a refused request counts towards nothing. For one event loop."""

    def __init__(
        self,
        worker: int = 0,
        workers: int = 1,
        global_rate: str | None = None,
        redis_url: str | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Count as worker number ``worker`` (from 0) of ``workers``; raises SettingsError without Redis's client."""
        self._worker, self._workers, self._clock = worker, workers, clock
        self._shared = None if redis_url is None else SharedQuotas(redis_url, clock)
        self._quotas: dict[tuple[str, str], tuple[str, Sequence[Quota]]] = {}
        self._global_rate = global_rate

    @property
    def shared(self) -> bool:
        """Whether the workers share their limits: then ``check_shared`` is to be awaited instead of ``check``."""
        return self._shared is not None

    def check(self, spec: EndpointSpec, key_id: str | None, user: str | None) -> None:
        """Let a request in by what this worker alone has counted; raises LimitError.

        ``user`` is the caller's own X-User-Id. Limits for whom the request does not name do not hold.
        """
        asked = self._asked(spec, key_id, user)
        if asked:
            self._admit(asked, whole=False)

    async def check_shared(self, spec: EndpointSpec, key_id: str | None, user: str | None) -> None:
        """Let a request in by what all workers have counted, or by ``check`` while Redis is away; raises LimitError."""
        asked = self._asked(spec, key_id, user)
        if not asked or self._shared is None:
            return self._admit(asked, whole=False)
        asked_at = self._clock()
        verdict = await self._shared.take(asked)
        if verdict is None:
            return self._admit(asked, whole=False)
        if verdict.refused_by is not None:
            raise self._refusal(verdict.refused_by, verdict.wait, divided=False)
        # Counted here too: when Redis fails, or comes back empty, this worker still admits the whole rate at most.
        return self._admit(asked, whole=True, asked_at=asked_at)

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self._shared is not None:
            await self._shared.close()

    def _asked(self, spec: EndpointSpec, key_id: str | None, user: str | None) -> Sequence[Asked]:
        """Return the quotas that the request needs, each with its caller's name."""
        limits = spec.limits
        asked: list[Asked] = []
        if key_id is not None and limits.per_key is not None:
            asked += [(quota, key_id) for quota in self._of("key", spec.name, limits.per_key)]
        if user and limits.per_user is not None:
            asked += [(quota, user) for quota in self._of("user", spec.name, limits.per_user)]
        if limits.endpoint is not None:
            asked += [(quota, "") for quota in self._of("endpoint", spec.name, limits.endpoint)]
        if self._global_rate is not None:
            asked += [(quota, "") for quota in self._of("gateway", "", self._global_rate)]
        return asked

    def _of(self, scope: str, endpoint: str, text: str) -> Sequence[Quota]:
        """Return the quotas of a rate's text; a changed text has new ones, which have counted nothing yet."""
        known, quotas = self._quotas.get((scope, endpoint), ("", ()))
        if known != text:
            where = Scope(scope, endpoint, _SETTINGS[scope])
            quotas = [Quota(where, rate, self._part(rate), shared=self.shared) for rate in parse_rates(text) or ()]
            self._quotas[scope, endpoint] = text, quotas
        return quotas

    def _part(self, rate: Rate) -> int:
        """Return what this worker admits of a rate: the parts of all workers make up the whole."""
        return rate.amount // self._workers + (self._worker < rate.amount % self._workers)

    def _admit(self, asked: Sequence[Asked], *, whole: bool, asked_at: int | None = None) -> None:
        """Count one hit in every quota, or in none and raise; nothing is awaited in between.

        ``asked_at`` is when Redis was asked: a hit that were counted here later than there would be refused too long.
        """
        now, longest, refused_by = self._clock(), 0, None
        for quota, caller in asked:
            wait = quota.wait(caller, now, quota.rate.amount if whole else quota.part)
            if wait > longest:
                longest, refused_by = wait, quota
        if refused_by is not None:
            raise self._refusal(refused_by, longest, divided=not whole)
        for quota, caller in asked:
            quota.hit(caller, now if asked_at is None else asked_at)

    def _refusal(self, quota: Quota, wait: int, *, divided: bool) -> LimitError:
        """Return the error that names the limit and its rate, and neither key nor user."""
        scope, seconds = quota.scope, max(1, -(-wait // NANO))
        who = {
            "key": f"This key is over its limit for endpoint {scope.endpoint!r}",
            "user": f"This user is over the limit for endpoint {scope.endpoint!r}",
            "endpoint": f"Endpoint {scope.endpoint!r} is over its limit",
            "gateway": "The gateway is over its limit",
        }[scope.name]
        part = f", {quota.part} of it on this worker" if divided and self._workers > 1 else ""
        remedy = f"Try again in {seconds} s, or raise {scope.setting}"
        return LimitError(f"{who}: {quota.rate.text}{part}", remedy, seconds)
