"""Dagster resources: the project's stores, opened inside a run or a sensor tick and never at import.

The stores themselves: ``store.stores``.
"""
