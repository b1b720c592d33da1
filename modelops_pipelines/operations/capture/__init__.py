"""Ingests the spool into the log, exactly once, and reads the log's newest rows.

Writing the spool: ``gateway.hot_path.durable_capture``. Deriving tables from the log: ``metrics`` and ``drift`` beside.
"""
