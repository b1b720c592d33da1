"""Who may ask, and how much: the keyring in memory, rate limits, shared quotas.

What a key is: ``core.access``. Which role a route requires: ``gateway.http.guarded_router``.
"""
