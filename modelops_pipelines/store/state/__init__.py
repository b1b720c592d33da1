"""The state database, a module a noun: deployments, alerts, gates, training sets, keys, and the rest.

The tables are declared in ``core.tables.state``, their changes in ``migrations``.
"""
