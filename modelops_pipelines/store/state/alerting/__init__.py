"""Alerts and verdicts as they are kept; both change together, in one transaction.

What a verdict does to an alert: ``core.alerting``.
"""
