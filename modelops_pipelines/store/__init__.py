"""What remembers: the lake (Delta), the state (SQL), the spool (JSONL), the registry (MLflow), the file system.

``stores`` opens them together. What is remembered is declared in ``core.tables``; nothing is decided here.
"""
