"""Dagster jobs that change what is live or run on demand, partitioned by endpoint: deploy, promote, retrain, suites.

Derived data belongs to ``assets``; the bodies are calls of ``operations``.
"""
