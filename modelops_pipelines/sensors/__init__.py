"""Sensors and schedules, one a concern and none an endpoint: each wraps a decision and says its numbers when it skips.

Decisions are pure and live in ``core``; what they start is in ``assets`` and ``jobs``.
"""
