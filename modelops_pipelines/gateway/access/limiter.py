"""Rate limits of requests: per key, per user, per endpoint, and for the whole gateway.

Each of N workers counts in its memory and admits 1/N of every rate. With a Redis server the workers share each rate
exactly; while that server is down each falls back to its own part, and no prediction fails. The windows are in
``sliding_windows``, the shared ones in ``redis_quotas``.
"""

import time
from collections.abc import Callable, Sequence

from modelops_pipelines.core.access.rates import Rate, parse_rates
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import LimitError
from modelops_pipelines.gateway.access.redis_quotas import QuotaUse, SharedQuotas
from modelops_pipelines.gateway.access.sliding_windows import NANO, Quota, Scope

_SETTINGS = {
    "key": "'limits: {per_key: ...}' in the endpoint's YAML",
    "user": "'limits: {per_user: ...}' in the endpoint's YAML",
    "endpoint": "'limits: {endpoint: ...}' in the endpoint's YAML",
    "gateway": "MODELOPS_GLOBAL_LIMIT",
}


class Limiter:
    """Admits requests or raises LimitError; a refused request does not count. For one event loop."""

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
        """Whether the workers share their limits: if so, await ``check_shared`` instead of calling ``check``."""
        return self._shared is not None

    def check(self, spec: EndpointSpec, key_id: str | None, user: str | None) -> None:
        """Admit a request by this worker's own counts; raises LimitError.

        ``user`` is the caller's X-User-Id. A request without a key or a user is not limited per key or per user.
        """
        uses = self._quota_uses(spec, key_id, user)
        if uses:
            self._admit(uses, whole=False)

    async def check_shared(self, spec: EndpointSpec, key_id: str | None, user: str | None) -> None:
        """Admit a request by the counts of all workers, or as ``check`` does while Redis is down; raises LimitError."""
        uses = self._quota_uses(spec, key_id, user)
        if not uses or self._shared is None:
            return self._admit(uses, whole=False)
        counted_at = self._clock()
        verdict = await self._shared.take(uses)
        if verdict is None:
            return self._admit(uses, whole=False)
        if verdict.refused_by is not None:
            raise self._limit_error(verdict.refused_by, verdict.wait, divided=False)
        # Counted here too: if Redis fails or comes back empty, this worker still admits at most the whole rate.
        return self._admit(uses, whole=True, counted_at=counted_at)

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self._shared is not None:
            await self._shared.close()

    def _quota_uses(self, spec: EndpointSpec, key_id: str | None, user: str | None) -> Sequence[QuotaUse]:
        """Return the quotas that the request counts towards, each with the caller's name in it."""
        limits = spec.limits
        uses: list[QuotaUse] = []
        if key_id is not None and limits.per_key is not None:
            uses += [(quota, key_id) for quota in self._quotas_of("key", spec.name, limits.per_key)]
        if user and limits.per_user is not None:
            uses += [(quota, user) for quota in self._quotas_of("user", spec.name, limits.per_user)]
        if limits.endpoint is not None:
            uses += [(quota, "") for quota in self._quotas_of("endpoint", spec.name, limits.endpoint)]
        if self._global_rate is not None:
            uses += [(quota, "") for quota in self._quotas_of("gateway", "", self._global_rate)]
        return uses

    def _quotas_of(self, scope: str, endpoint: str, text: str) -> Sequence[Quota]:
        """Return the quotas of a rate's text; a changed text gets new quotas, with no hits yet."""
        known, quotas = self._quotas.get((scope, endpoint), ("", ()))
        if known != text:
            where = Scope(scope, endpoint, _SETTINGS[scope])
            quotas = [Quota(where, rate, self._part(rate), shared=self.shared) for rate in parse_rates(text) or ()]
            self._quotas[scope, endpoint] = text, quotas
        return quotas

    def _part(self, rate: Rate) -> int:
        """Return this worker's part of a rate; the parts of all workers add up to the rate."""
        return rate.amount // self._workers + (self._worker < rate.amount % self._workers)

    def _admit(self, uses: Sequence[QuotaUse], *, whole: bool, counted_at: int | None = None) -> None:
        """Count one hit in every quota, or in none and raise LimitError; atomic, because nothing is awaited.

        ``counted_at`` is the time of the call to Redis: a hit with a later time than in Redis would expire too late.
        """
        now, longest, refused_by = self._clock(), 0, None
        for quota, caller in uses:
            wait = quota.wait(caller, now, quota.rate.amount if whole else quota.part)
            if wait > longest:
                longest, refused_by = wait, quota
        if refused_by is not None:
            raise self._limit_error(refused_by, longest, divided=not whole)
        for quota, caller in uses:
            quota.hit(caller, now if counted_at is None else counted_at)

    def _limit_error(self, quota: Quota, wait: int, *, divided: bool) -> LimitError:
        """Return the error, which names the limit and its rate, but neither the key nor the user."""
        scope, seconds = quota.scope, max(1, -(-wait // NANO))
        who = {
            "key": f"This key is over its rate limit for endpoint {scope.endpoint!r}",
            "user": f"This user is over the rate limit for endpoint {scope.endpoint!r}",
            "endpoint": f"Endpoint {scope.endpoint!r} is over its rate limit",
            "gateway": "The gateway is over its rate limit",
        }[scope.name]
        part = f", of which this worker admits {quota.part}" if divided and self._workers > 1 else ""
        remedy = f"Try again in {seconds} s, or raise {scope.setting}"
        return LimitError(f"{who}: {quota.rate.text}{part}", remedy, seconds)
