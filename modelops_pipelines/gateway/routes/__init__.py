"""The administrative routes, one module per noun: endpoints, releases, logs, keys, health, feedback, documentation.

The prediction routes are in ``gateway.hot_path``; what the routes share is in ``gateway.http``.
"""
