"""API keys, their roles and scopes, and rate limits.

Storing keys: ``store.state.access.api_keys``. Enforcing them on a request: ``gateway.access``.
"""
