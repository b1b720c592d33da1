"""The state database, one module per noun: deployments, alerts, gates, training sets, keys, and so on.

The tables are declared in ``core.tables.state``, their changes in ``migrations``.
"""
