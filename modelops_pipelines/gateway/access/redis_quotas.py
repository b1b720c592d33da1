"""Quotas that all workers share in Redis: one script checks all limits of a request, and counts it in all or none.

The library ``limits`` calls Redis twice per limit, and in a race a request that one limit refuses still uses up the
others. The script uses Redis's clock, so the workers' clocks need not agree. A server that is down is detected within
SECONDS, logged once, and tried again every RETRY nanoseconds by one request; the other requests do not wait.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from modelops_pipelines.core.errors import SettingsError
from modelops_pipelines.gateway.access.sliding_windows import NANO, Quota

SECONDS = 0.2
RETRY = 5 * NANO
CONNECTIONS = 8
PREFIX = "modelops:limit"
MICRO = 1_000_000
QuotaUse = tuple[Quota, str]
"""A quota that a request counts towards, and the caller's name in it ("" where callers share the quota)."""
_LOG = logging.getLogger("modelops.gateway")
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local refused, wait = 0, 0
for i, key in ipairs(KEYS) do
  local oldest = redis.call('LINDEX', key, ARGV[2 * i - 1] - 1)
  local left = oldest and oldest + ARGV[2 * i] - now or 0
  if left > wait then refused, wait = i, left end
end
if refused > 0 then return {refused, string.format('%.0f', wait)} end
for i, key in ipairs(KEYS) do
  redis.call('LPUSH', key, string.format('%.0f', now))
  redis.call('LTRIM', key, 0, ARGV[2 * i - 1] - 1)
  redis.call('PEXPIRE', key, ARGV[2 * i] / 1000)
end
return {0, '0'}
"""


@dataclass(frozen=True)
class Verdict:
    """Redis's answer: the quota that refuses the request (None: admitted), and the wait in nanoseconds."""

    refused_by: Quota | None
    wait: int = 0


class SharedQuotas:
    """The connection to Redis, and whether Redis is down."""

    def __init__(self, url: str, clock: Callable[[], int]) -> None:
        """Connect on first use; raises SettingsError when the client is not installed or the URL is invalid."""
        self._redis = _client(url)
        self._take = self._redis.register_script(_TAKE)
        self._errors = _errors()
        self._clock = clock
        self._retry_at: int | None = None

    async def take(self, uses: Sequence[QuotaUse]) -> Verdict | None:
        """Count a request in all of its quotas or in none; return None while Redis is down."""
        now = self._clock()
        if self._retry_at is not None and now < self._retry_at:
            return None
        if self._retry_at is not None:
            self._retry_at = now + RETRY  # other requests do not wait for this attempt
        keys = [_key(quota, caller) for quota, caller in uses]
        numbers = [number for quota, _ in uses for number in (quota.rate.amount, quota.rate.seconds * MICRO)]
        try:
            async with asyncio.timeout(SECONDS):
                refused, wait = await self._take(keys, numbers)
        except self._errors as error:
            self._mark_down(error)
            return None
        self._mark_up()
        return Verdict(uses[refused - 1][0], int(wait) * 1000) if refused else Verdict(None)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    def _mark_down(self, error: Exception) -> None:
        if self._retry_at is None:
            why = str(error) or type(error).__name__
            _LOG.warning("Redis of MODELOPS_LIMITS_URL is down; each worker enforces its part of each limit: %s", why)
        self._retry_at = self._clock() + RETRY

    def _mark_up(self) -> None:
        if self._retry_at is not None:
            _LOG.warning("Redis of MODELOPS_LIMITS_URL is up again; the workers share their limits")
        self._retry_at = None


def _key(quota: Quota, caller: str) -> str:
    """Return a window's key in Redis; the caller's name is hashed, because Redis may write it to disk."""
    who = hashlib.blake2b(caller.encode(), digest_size=16).hexdigest() if caller else ""
    scope = quota.scope
    return f"{PREFIX}:{scope.name}:{scope.endpoint}:{quota.rate.amount}/{quota.rate.seconds}:{who}"


def _client(url: str) -> Any:
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as error:
        raise SettingsError(
            "MODELOPS_LIMITS_URL is set, but the Redis client is not installed",
            "Install it: pip install 'modelops_pipelines[redis]'",
        ) from error
    seconds = dict.fromkeys(("timeout", "socket_timeout", "socket_connect_timeout"), SECONDS)
    never = Retry(NoBackoff(), 0)
    try:
        pool = BlockingConnectionPool.from_url(url, max_connections=CONNECTIONS, retry=never, **seconds)
    except ValueError as error:
        raise SettingsError("MODELOPS_LIMITS_URL is not a Redis URL", "Set it to redis://host:port/0") from error
    return Redis.from_pool(pool)


def _errors() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError

    return RedisError, OSError, TimeoutError
