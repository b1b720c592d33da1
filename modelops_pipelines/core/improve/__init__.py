"""Retraining: when to start it, and the context that a trainer receives.

The gate that judges the result: ``core.evaluation``. Building training sets: ``operations.improve``.
"""
