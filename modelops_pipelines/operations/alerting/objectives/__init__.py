"""The events of objectives: hours of requests, kept in memory for frequent looks, and windows of quality.

Judging them: ``operations.alerting.objectives.slos``.
"""
