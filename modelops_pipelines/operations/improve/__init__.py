"""From feedback and labels to a better version, a room for each stage; ``steps`` names those of a retraining.

Putting the result live: ``operations.release``. What decides: ``core.improve`` and ``core.evaluation``.
"""
