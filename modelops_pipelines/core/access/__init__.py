"""API keys and rates: what a key is and allows, and how requests are counted against a limit.

Storing keys: ``store.state.access.api_keys``. Enforcing them on a request: ``gateway.access``.
"""
