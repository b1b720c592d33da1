"""Verdicts of alert rules, and the alerts that they open, count and resolve.

Which rules an endpoint may have: ``core.endpoints.validation.alerts``. Judging against data: ``operations.alerting``.
"""
