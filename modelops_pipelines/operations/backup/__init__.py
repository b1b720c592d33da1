"""Backups of an installation's home: taking one while everything runs, checking it, and restoring it elsewhere.

Where they are kept: ``store.backup``.
"""
