"""Stored alerts and verdicts; both change in one transaction.

The effect of a verdict on an alert: ``core.alerting``.
"""
