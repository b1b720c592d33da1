"""Mergeable summaries of latency and quality: a window of any length is the sum of its parts.

Summaries of features: ``core.profiles``. Computing them from the log: ``operations.metrics``.
"""
