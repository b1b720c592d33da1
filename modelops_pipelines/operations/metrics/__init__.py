"""Traffic, latency, quality, estimated quality and the user's own metrics, by window.

Drift and data quality: ``operations.drift``. Charts of them: ``operations.reports``.
"""
