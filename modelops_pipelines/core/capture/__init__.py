"""Capture: the spool's record, the health of capture, and searches of the log.

Files and fsync: ``store.spool``. Turning records into rows of the lake: ``operations.capture``.
"""
