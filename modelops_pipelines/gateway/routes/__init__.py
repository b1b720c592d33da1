"""The administrative routes, one module a noun: endpoints, releases, logs, keys, health, feedback, documentation.

The prediction route is not here but in ``gateway.hot_path``; what routes share is in ``gateway.http``.
"""
