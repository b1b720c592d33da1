"""From labels to a better version: when to retrain, and what a trainer is given.

The gate that judges the result: ``core.evaluation``. Building training sets: ``operations.improve``.
"""
