"""What decides on the way from feedback to a better version, a room for each stage.

The gate that judges the result: ``core.evaluation``. Carrying it out: ``operations.improve``.
"""
