"""The captured log: the spool's record, the health of capture, and how the log is searched.

Files and fsync: ``store.spool``. Turning records into rows of the lake: ``operations.capture``.
"""
