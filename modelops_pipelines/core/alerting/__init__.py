"""Verdicts and alerts: when a rule has failed, and what becomes of its open alert.

Which rules an endpoint may state: ``core.endpoints.validate_alerts``. Judging against data: ``operations.alerting``.
"""
