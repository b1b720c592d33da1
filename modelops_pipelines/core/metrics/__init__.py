"""Mergeable summaries of latency and quality: the summary of a window is the sum of its parts.

Summaries of features: ``core.profiles``. Computing them from the log: ``operations.metrics``.
"""
