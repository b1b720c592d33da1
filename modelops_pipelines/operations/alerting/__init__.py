"""Judging rules against the lake and raising alerts: the one door through which a verdict becomes an alert.

What a verdict does to an alert is decided in ``core.alerting``.
"""
