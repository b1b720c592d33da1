"""Shared by all derived tables: an endpoint's tables, incremental computation by window, and reading them.

Files, commits and SQL: ``store.lake``.
"""
