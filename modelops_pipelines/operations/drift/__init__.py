"""Hourly profiles, references, drift verdicts and data quality, computed for the windows that changed.

How distances and verdicts are computed: ``core.drift``. Reports: ``operations.reports``.
"""
