"""Sensors and schedules, one per concern for all endpoints. Each wraps a decision; a skipped tick gives its numbers.

Decisions are pure and live in ``core``; the runs that they start are of ``assets`` and ``jobs``.
"""
