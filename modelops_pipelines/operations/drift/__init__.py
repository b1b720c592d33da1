"""Profiles by the hour, references, drift verdicts and data quality, written for the windows that changed.

How distances and verdicts are computed: ``core.drift``. Reports for people: ``operations.reports``.
"""
