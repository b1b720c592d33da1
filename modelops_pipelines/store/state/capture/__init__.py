"""Ingest progress, marks of windows to recompute, and records of erasures.

The log itself is in the lake: ``store.lake``.
"""
