"""Judges rules against the lake and raises alerts: the only place where a verdict becomes an alert.

What a verdict does to an alert is decided in ``core.alerting``.
"""
