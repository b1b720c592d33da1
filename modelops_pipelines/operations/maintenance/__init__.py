"""Keeping a home small and fast over years: compaction, vacuum, retention, and the audit of what was deleted.

Erasing a person's data at request: ``operations.governance``.
"""
