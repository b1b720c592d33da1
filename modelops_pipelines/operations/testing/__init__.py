"""Tests versions before they serve: suites of stored cases, evaluation on a file.

The gate on logged rows: ``operations.improve.evaluation.evaluate``.
"""
