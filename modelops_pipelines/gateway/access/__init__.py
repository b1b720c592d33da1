"""Authentication and rate limits: the keyring in memory, the limiter, quotas in memory and in Redis.

The format of a key: ``core.access``. The role that a route requires: ``gateway.http.guarded_router``.
"""
