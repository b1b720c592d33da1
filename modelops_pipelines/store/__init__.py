"""Persistence: the lake (Delta), the state (SQL), the spool (JSONL), the registry (MLflow), the file system.

``stores`` opens them together. The tables are declared in ``core.tables``; no decisions here.
"""
