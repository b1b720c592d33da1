"""From the spool to the log, exactly once, and reading the log's newest rows.

Writing the spool: ``gateway.hot_path.durable_capture``. Deriving tables from the log: ``metrics`` and ``drift`` beside.
"""
