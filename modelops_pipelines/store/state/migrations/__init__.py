"""Alembic's environment for the state database: ``run`` upgrades, ``versions`` has the steps.

The tables as they are today: ``core.tables.state``.
"""
